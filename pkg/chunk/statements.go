package chunk

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements are prepared once each: preparing one takes longer than running it. The zero value has none. It may be used
// concurrently.
type statements struct {
	mu     sync.Mutex
	byText map[string]*sql.Stmt
}

// preparer is a connection, or a pool of them.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func (s *statements) prepare(on preparer, query string) (*sql.Stmt, error) {
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

// close closes them all: an open one would keep the WAL from being folded in.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, made := range s.byText {
		errs = append(errs, made.Close())
	}
	s.byText = nil
	return errors.Join(errs...)
}
