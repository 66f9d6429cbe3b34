package server

import (
	"fmt"
	"time"
)

// sweepEvery is how often a write looks for abandoned reports.
const sweepEvery = time.Minute

// Sweep forgets every report that got no part for age, with all that it staged. It returns how many. A store
// does so by itself, after StoreConfig.IncompleteAge, while it is written to.
func (s *Store) Sweep(age time.Duration) (reports int, err error) {
	err = s.write("", 0, func(t *tx) error {
		for reports = 0; ; {
			swept, err := t.sweepOne(age)
			if err != nil || !swept {
				return err
			}
			reports++
		}
	})
	return reports, err
}

// sweepSometimes sweeps one abandoned report after a commit, so that no writer waits long. An error is only put
// off: nothing waits for the room.
func (s *Store) sweepSometimes() {
	w, now := &s.writer, s.now()
	if s.cfg.IncompleteAge < 0 || now.Sub(w.swept) < sweepEvery && now.After(w.swept) {
		return
	}
	var swept bool
	err := s.inTransaction(func(t *tx) (err error) {
		swept, err = t.sweepOne(s.cfg.IncompleteAge)
		return err
	})
	if err != nil || !swept {
		w.swept = now
	}
}

func (t *tx) sweepOne(age time.Duration) (swept bool, err error) {
	var id int64
	found, err := t.get("SELECT id FROM report WHERE completed = 0 AND touched <= ? ORDER BY touched LIMIT 1",
		[]any{t.now.Add(-age).UnixMilli()}, &id)
	if err != nil || !found {
		return false, err
	}
	for _, q := range []string{
		"DELETE FROM content WHERE id IN (SELECT c.id" + fromContent + ")",
		"DELETE FROM staged_item WHERE report = ?",
		"DELETE FROM part WHERE report = ?",
		"DELETE FROM report WHERE id = ?",
	} {
		if err := t.exec(q, id); err != nil {
			return false, fmt.Errorf("sweep report: %w", err)
		}
	}
	return true, nil
}
