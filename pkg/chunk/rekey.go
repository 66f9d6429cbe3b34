package chunk

import (
	"context"
	"errors"
)

// rekeyBatch and rekeyBytes bound the parts that one transaction encrypts with the current key.
const (
	rekeyBatch = 64
	rekeyBytes = 8 << 20
)

// Rekey encrypts stored data that is not encrypted with the current key: data with an older key, or without a key. It
// returns the number of parts it changed. Afterwards the older keys are only needed for damaged parts, which stay as they
// are. Reports may be submitted and uploaded meanwhile. A call that was interrupted is completed by the next one. Rekey
// fails if no keys are configured.
func (m *Manager) Rekey(ctx context.Context) (parts int64, err error) {
	if m.keys.current == "" {
		return 0, errors.New("rekey: neither KeyFile nor Keys is set")
	}
	for last, more := int64(0), true; more && err == nil; {
		var done, at int64
		err = m.change(ctx, rekeyBytes, func(t *tx) (err error) {
			done, at, more, err = m.rekeyNext(t, last)
			return err
		})
		if err == nil {
			parts, last = parts+done, at
		}
	}
	m.wakeCleaner()
	return parts, err
}

// rekeyNext encrypts the next parts after a row. It returns how many, the last row it read, and whether there may be more.
func (m *Manager) rekeyNext(t *tx, after int64) (done, last int64, more bool, err error) {
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
		if err != nil { // damaged, which its upload reports
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
