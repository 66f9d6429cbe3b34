package server

import (
	"fmt"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// auditBatch is one request to the audit path.
type auditBatch struct {
	agent string
	key   string // idempotency key of the request; the store knows the key of the last request
	after struct {
		auditMark      // the last line here, according to the sender
		given     bool // the request names it
	}
	lines []auditLine
	size  int64
}

// auditAnswer is the answer to a batch.
type auditAnswer struct {
	Status     string `json:"status"`
	Seq        uint64 `json:"seq"` // the last stored line, and its chain value
	Chain      string `json:"chain"`
	Stored     int    `json:"stored"`
	Duplicates int    `json:"duplicates"`

	broken []auditBreak
}

// auditBreak is a line whose chain value does not continue the stored line before it.
type auditBreak struct{ before, seq uint64 }

// altered reports whether no line is missing in between, so that one of the two lines was changed.
func (b auditBreak) altered() bool { return b.before+1 == b.seq }

// auditBehindError is returned for lines that do not continue the stored log, if the sender may have the lines in between.
type auditBehindError struct{ Have uint64 }

func (e *auditBehindError) Error() string {
	return fmt.Sprintf("audit log is stored up to line %d: send the lines after it", e.Have)
}

// auditForkError is returned for a line that contradicts the stored log: the log of the agent was replaced or changed.
type auditForkError struct {
	Agent string
	Seq   uint64 // the line
	Have  uint64 // the last one stored
}

func (e *auditForkError) Error() string {
	return fmt.Sprintf("line %d of the audit log of %q differs from the stored log, which ends with line %d", e.Seq, wire.Clip(e.Agent, 64), e.Have)
}

// auditLog is the row of an agent's log.
type auditLog struct {
	id     int64
	head   auditMark
	breaks int
}

// maxAuditLogs is the maximum number of audit logs of one tenant.
const maxAuditLogs = 10_000

// putAudit stores the new lines of a batch, all or none. Batches may arrive in any order: late lines fill the gap.
func (t *Tenant) putAudit(b *auditBatch) (a *auditAnswer, err error) {
	err = t.write(b.size, func(tx *tx) error {
		a = &auditAnswer{Status: "accepted"}
		tenant, err := tx.tenantID(t.name)
		if err != nil {
			return err
		}
		log, err := tx.auditLog(tenant, b.agent)
		if err != nil {
			return err
		}
		if err := tx.putAuditLines(log, b, a); err != nil {
			return err
		}
		a.Seq, a.Chain = log.head.seq, log.head.chain
		return tx.exec(`UPDATE audit_log SET seq = ?, chain = ?, breaks = ?, lines = lines + ?, repeated = repeated + ?,
			last_key = ?, last_lines = ?, touched = ? WHERE id = ?`, log.head.seq, log.head.chain, log.breaks, a.Stored, a.Duplicates,
			b.key, len(b.lines), tx.now.UnixMilli(), log.id)
	})
	return a, err
}

func (t *tx) auditLog(tenant int64, agent string) (*auditLog, error) {
	l := &auditLog{head: auditMark{chain: auditGenesis}}
	found, err := t.get("SELECT id, seq, chain, breaks FROM audit_log WHERE tenant = ? AND agent = ?", []any{tenant, agent},
		&l.id, &l.head.seq, &l.head.chain, &l.breaks)
	if found || err != nil {
		return l, err
	}
	var n int
	if _, err := t.get("SELECT count(*) FROM audit_log WHERE tenant = ?", []any{tenant}, &n); err != nil {
		return nil, err
	}
	if n >= maxAuditLogs {
		return nil, &limitError{"audit logs", maxAuditLogs, n + 1}
	}
	l.id, err = t.insert("INSERT INTO audit_log (tenant, agent, seq, chain) VALUES (?, ?, 0, ?)", tenant, agent, auditGenesis)
	return l, err
}

func (t *tx) putAuditLines(log *auditLog, b *auditBatch, a *auditAnswer) error {
	had := log.head
	known, err := t.knowsAuditHead(log, b)
	if err != nil {
		return err
	}
	for i := range b.lines {
		l := &b.lines[i]
		if l.seq <= had.seq {
			if err := t.putOldAuditLine(log, b, l, a); err != nil {
				return err
			}
			known = known || l.seq == had.seq
			continue
		}
		links := l.links && i > 0 && b.lines[i-1].seq == log.head.seq || l.follows(log.head)
		if !links && log.head == had && !known {
			if l.seq == had.seq+1 {
				return &auditForkError{b.agent, l.seq, had.seq}
			}
			if !b.after.given || b.after.seq != had.seq {
				return &auditBehindError{had.seq}
			}
		}
		if !links {
			a.broken = append(a.broken, auditBreak{log.head.seq, l.seq})
			log.breaks++
		}
		if err := t.insertAuditLine(log, l, links); err != nil {
			return err
		}
		log.head = l.auditMark
		a.Stored++
	}
	return nil
}

// knowsAuditHead reports whether the sender has the last stored line: then its lines belong to the same log, even if they do not
// continue the chain. It returns an error if the sender has another history, or lines that are missing here.
func (t *tx) knowsAuditHead(log *auditLog, b *auditBatch) (bool, error) {
	after := b.after
	if !after.given {
		return log.head.seq == 0, nil
	}
	if after.seq > log.head.seq {
		return false, &auditBehindError{log.head.seq}
	}
	if after.seq == 0 || after.chain == "" {
		return log.head.seq == 0, nil
	}
	var chain string
	found, err := t.get("SELECT chain FROM audit_line WHERE log = ? AND seq = ?", []any{log.id, after.seq}, &chain)
	if found && chain != after.chain {
		return false, &auditForkError{b.agent, after.seq, log.head.seq}
	}
	return found && after.seq == log.head.seq, err
}

// putOldAuditLine accepts a line before the last stored line: a duplicate, or a line that was missing.
func (t *tx) putOldAuditLine(log *auditLog, b *auditBatch, l *auditLine, a *auditAnswer) error {
	fork := &auditForkError{b.agent, l.seq, log.head.seq}
	var chain string
	found, err := t.get("SELECT chain FROM audit_line WHERE log = ? AND seq = ?", []any{log.id, l.seq}, &chain)
	if err != nil {
		return err
	}
	if found {
		if chain != l.chain {
			return fork
		}
		a.Duplicates++
		return nil
	}
	var above auditMark
	var joined bool
	var data []byte
	_, err = t.get("SELECT seq, follows, data FROM audit_line WHERE log = ? AND seq > ? ORDER BY seq LIMIT 1",
		[]any{log.id, l.seq}, &above.seq, &joined, &data)
	if err != nil {
		return err
	}
	if joined { // no line is missing before it
		return fork
	}
	below := auditMark{chain: auditGenesis}
	if _, err = t.get("SELECT seq, chain FROM audit_line WHERE log = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
		[]any{log.id, l.seq}, &below.seq, &below.chain); err != nil {
		return err
	}
	follows := l.follows(below)
	if !follows {
		a.broken = append(a.broken, auditBreak{below.seq, l.seq})
		log.breaks++
	}
	a.Stored++
	if err := t.insertAuditLine(log, l, follows); err != nil {
		return err
	}
	next, err := readAuditLines(data)
	if err != nil || !next[0].follows(l.auditMark) {
		return err
	}
	log.breaks--
	return t.exec("UPDATE audit_line SET follows = 1 WHERE log = ? AND seq = ?", log.id, above.seq)
}

func (t *tx) insertAuditLine(log *auditLog, l *auditLine, follows bool) error {
	return t.exec("INSERT INTO audit_line (log, seq, chain, follows, data) VALUES (?, ?, ?, ?, ?)", log.id, l.seq, l.chain, follows, l.data)
}
