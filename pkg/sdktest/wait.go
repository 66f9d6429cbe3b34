package sdktest

import (
	"context"
	"fmt"
	"sync"
)

// state is a mutex whose users can wait for a change of what it guards.
type state struct {
	sync.Mutex
	changed chan struct{} // closed at the next change; nil while no goroutine waits
}

// changedLocked wakes the goroutines in wait.
func (s *state) changedLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// wait returns when done, which is called with the mutex held, returns true. If ctx ends before, the error describes how
// far it came.
func (s *state) wait(ctx context.Context, done func() (ok bool, sofar string)) error {
	for {
		s.Lock()
		ok, sofar := done()
		if ok {
			s.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", sofar, ctx.Err())
		}
	}
}
