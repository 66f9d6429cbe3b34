package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// tx is the transaction in which a change is applied. Changes that wait at the same time share one.
type tx struct {
	*sqlitedb.Tx
	group   *group
	booking booking // what the change adds to a tenant's account
}

// group is what the changes of one transaction have taken before they are committed, and counted in the Manager. It is
// used by the goroutine that writes alone.
type group struct {
	tx       *sqlitedb.Tx
	used     int64 // bytes in use, estimated; 0: not known
	bookings []booking
}

// booking is what a change adds to a tenant's account.
type booking struct {
	tenant         string
	reports, bytes int64
}

// change makes one change and returns when it is on disk, or was not made at all. weight is the approximate number of
// bytes it writes; a change of weight 0 may use the reserve of a full disk. A change that waits already is made even if
// ctx ends.
func (m *Manager) change(ctx context.Context, weight int, apply func(*tx) error) error {
	err := m.db.Do(ctx, sqlitedb.Change{Weight: weight, Apply: func(s *sqlitedb.Tx) error {
		if m.group.tx != s {
			m.group = group{tx: s}
		}
		t := &tx{Tx: s, group: &m.group}
		if err := apply(t); err != nil {
			m.group.used = 0 // what the change had counted is undone
			return err
		}
		if t.booking != (booking{}) {
			m.group.bookings = append(m.group.bookings, t.booking)
		}
		return nil
	}})
	switch {
	case errors.Is(err, sqlitedb.ErrClosed):
		return ErrClosed
	case weight > 0 && sqlitedb.IsNoSpace(err):
		return fmt.Errorf("%w: %w", ErrStorageFull, err)
	}
	return err
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
