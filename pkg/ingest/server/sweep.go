package server

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// sweepInterval is how often a write looks for abandoned reports.
const sweepInterval = time.Minute

// sweepIfDue deletes at most one abandoned report after a write, with everything that it staged, so that no writer waits long. An
// error delays the sweep: nothing depends on the space.
func (s *Store) sweepIfDue() {
	s.mu.Lock()
	since := s.now().Sub(s.swept)
	due := s.cfg.IncompleteAge >= 0 && (since >= sweepInterval || since < 0)
	if due {
		s.swept = s.now() // concurrent writers do not sweep, too
	}
	s.mu.Unlock()
	if !due {
		return
	}
	if swept, err := s.sweepOne(s.cfg.IncompleteAge); err == nil && swept {
		s.mu.Lock()
		s.swept = time.Time{} // there may be more
		s.mu.Unlock()
	}
}

// sweepOne deletes a report that has received no part for age and reports whether there was one.
func (s *Store) sweepOne(age time.Duration) (swept bool, err error) {
	err = s.db.Do(context.Background(), sqlitedb.Change{Apply: func(inner *sqlitedb.Tx) (err error) {
		t := &tx{inner, s.now()}
		swept, err = t.sweepOne(age)
		return err
	}})
	if err != nil {
		return false, fmt.Errorf("sweep abandoned report: %w", err)
	}
	return swept, nil
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
			return false, err
		}
	}
	return true, nil
}
