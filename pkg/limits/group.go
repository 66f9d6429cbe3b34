package limits

import "sync"

// Group is a budget of goroutines: it starts functions and refuses what is over its budget, instead of queuing
// without bound. Its methods may be called concurrently.
type Group struct {
	budget int

	mu      sync.Mutex
	running int
	peak    int
	refused int64

	wg sync.WaitGroup
}

// NewGroup returns a group that runs at most budget functions at once; zero means the default of MaxGoroutines.
// A budget under zero counts as 1.
func NewGroup(budget int) *Group {
	if budget == 0 {
		budget = DefaultComputationalLimits().MaxGoroutines
	}
	return &Group{budget: max(budget, 1)}
}

// Go runs f on a goroutine of its own, or returns an *ErrLimit when the budget is spent.
func (g *Group) Go(f func()) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running >= g.budget {
		g.refused++
		return &ErrLimit{Field: "max_goroutines", Value: float64(g.running + 1), Bound: float64(g.budget)}
	}
	g.running++
	g.peak = max(g.peak, g.running)
	g.wg.Go(func() {
		defer g.leave()
		f()
	})
	return nil
}

func (g *Group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
}

// Wait returns when no function is running. Go must not be called meanwhile by others than the functions that run.
func (g *Group) Wait() { g.wg.Wait() }

// GroupStats are the numbers of a Group in one moment.
type GroupStats struct {
	Budget  int
	Running int
	Peak    int   // most that ran at once
	Refused int64 // calls of Go that failed
}

// Stats returns the present numbers.
func (g *Group) Stats() GroupStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GroupStats{g.budget, g.running, g.peak, g.refused}
}

// Usage returns the functions that run and those that were refused.
func (g *Group) Usage() Usage {
	s := g.Stats()
	return Usage{Name: "computational.max_goroutines", Used: float64(s.Running), Limit: float64(s.Budget), Refused: s.Refused}
}
