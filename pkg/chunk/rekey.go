package chunk

import (
	"context"
	"fmt"
)

// rekeyBatch and rekeyBytes bound the parts that one transaction encrypts with the current key.
const (
	rekeyBatch = 64
	rekeyBytes = 8 << 20
)

// Rekey encrypts with the current key what is stored otherwise: with an older key, or not at all. Afterwards the
// older keys are needed no more, but for parts that are damaged: these stay as they are. It returns how many parts it changed. Reports may be submitted and uploaded
// meanwhile. A call that was cut short is completed by the next one. Without keys it fails.
func (m *Manager) Rekey(ctx context.Context) (parts int64, err error) {
	if m.keys.current == "" {
		return 0, fmt.Errorf("rekey: neither KeyFile nor Keys is set")
	}
	for last, more := int64(0), true; more && err == nil; {
		var done, at int64
		err = m.change(ctx, rekeyBytes, func(t *tx) (err error) {
			done, at, more, err = m.rekeySome(t, last)
			return err
		})
		if err == nil {
			parts, last = parts+done, at
		}
	}
	m.wakeCleaner()
	return parts, err
}

// rekeySome encrypts the next parts after a row anew and returns how many, the last row it saw, and whether there may
// be more.
func (m *Manager) rekeySome(t *tx, after int64) (done, last int64, more bool, err error) {
	last = after
	for bytes, tried := 0, 0; tried < rekeyBatch && bytes < rekeyBytes; tried++ {
		var pid int64
		var tenant, reportID, keyID string
		var index int
		var stored []byte
		err := t.Row(`SELECT p.pid, r.tenant, r.id, p.idx, p.keyid, b.data FROM parts p JOIN reports r ON r.rid = p.rid JOIN blobs b ON b.pid = p.pid
			WHERE p.pid > ? AND p.keyid != ? ORDER BY p.pid LIMIT 1`, []any{last, m.keys.current}, &pid, &tenant, &reportID, &index, &keyID, &stored)
		if isNoRows(err) {
			return done, last, false, nil
		}
		if err != nil {
			return 0, after, false, err
		}
		last = pid
		data, err := m.keys.Open(stored, keyID, tenant, reportID, index)
		if err != nil { // damaged: it stays as it is, and its upload will say so
			continue
		}
		again, id := m.keys.seal(data, tenant, reportID, index)
		if _, err := t.Exec("UPDATE blobs SET data = ? WHERE pid = ?", again, pid); err != nil {
			return 0, after, false, err
		}
		if _, err := t.Exec("UPDATE parts SET keyid = ? WHERE pid = ?", id, pid); err != nil {
			return 0, after, false, err
		}
		bytes += len(again)
		done++
	}
	return done, last, true, nil
}
