package watch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/rediverio/sdk/internal/proc"
)

// act does what the findings ask for and says so in them.
func (w *Watcher) act(ctx context.Context, findings []*Finding) {
	byProcess := map[key][]*Finding{}
	var stop []*Finding // the first of each process
	for _, f := range findings {
		switch {
		case f.Level == Pending:
			f.Action = Nothing
		case !f.stops():
			f.Action = Warned
		case !w.cfg.Enforce:
			f.Action = WouldStop
		default:
			k := keyOf(f.process)
			if len(byProcess[k]) == 0 {
				stop = append(stop, f)
			}
			byProcess[k] = append(byProcess[k], f)
		}
	}
	slices.SortStableFunc(stop, func(a, b *Finding) int { return cmp.Compare(b.Memory, a.Memory) })
	var wg sync.WaitGroup
	for i, f := range stop {
		if i >= w.cfg.MaxStops {
			f.Action = Postponed
			continue
		}
		wg.Go(func() { w.stop(ctx, f) })
	}
	wg.Wait()
	for _, same := range byProcess {
		for _, f := range same[1:] {
			f.Action, f.Error = same[0].Action, same[0].Error
		}
	}
}

// stop ends a process, if it is still the one that was judged: between then and now it may have become another program,
// or somebody else's.
func (w *Watcher) stop(ctx context.Context, f *Finding) {
	killed, err := f.process.End(ctx, w.cfg.Grace, func(now proc.Process) bool { return w.still(f, now) })
	switch {
	case errors.Is(err, proc.ErrGone):
		f.Action = Gone
	case err != nil:
		f.Action, f.Error = Failed, err.Error()
	case killed:
		f.Action = Killed
	default:
		f.Action = Terminated
	}
}

func (w *Watcher) still(f *Finding, now proc.Process) bool {
	marked, orphan := now.Marked()
	if f.rule == nil {
		return orphan && allows(w.self, now)
	}
	return (!marked || orphan) && f.rule.matches(now.Name, now.Command()) && allows(f.rule.users, now)
}
