package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// Statements caches prepared statements: to prepare one takes longer than to run it. The zero value is empty and ready
// to use, also concurrently. All statements of one value belong to the same connection or pool.
type Statements struct {
	mu     sync.Mutex
	byText map[string]*sql.Stmt
}

// Preparer is a *sql.Conn or *sql.DB.
type Preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// Prepare returns the statement for query, which it prepares the first time.
func (s *Statements) Prepare(on Preparer, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byText[query]; known != nil {
		return known, nil
	}
	made, err := on.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[query] = made
	return made, nil
}

// Close closes all statements. An open one would keep the write-ahead log from being removed.
func (s *Statements) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, made := range s.byText {
		errs = append(errs, made.Close())
	}
	s.byText = nil
	return errors.Join(errs...)
}
