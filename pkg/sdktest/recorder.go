package sdktest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Recorder is an event.Sink that records every event.
type Recorder struct {
	mu     state
	events []event.Event
}

var _ event.Sink = (*Recorder)(nil)

// Record implements event.Sink.
func (r *Recorder) Record(e event.Event) {
	e.Details = maps.Clone(e.Details)
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.mu.changedLocked()
}

// Events returns all events so far, in order.
func (r *Recorder) Events() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// OfType returns the events of the given types so far, in order.
func (r *Recorder) OfType(types ...event.Type) []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ofTypeLocked(types)
}

func (r *Recorder) ofTypeLocked(types []event.Type) (out []event.Event) {
	for _, e := range r.events {
		if slices.Contains(types, e.Type) {
			out = append(out, e)
		}
	}
	return out
}

// WaitFor waits for the first event of type t and returns it.
func (r *Recorder) WaitFor(ctx context.Context, t event.Type) (event.Event, error) {
	all, err := r.WaitForN(ctx, 1, t)
	if err != nil {
		return event.Event{}, err
	}
	return all[0], nil
}

// WaitForN waits until there are n events of the given types, and returns all of them.
func (r *Recorder) WaitForN(ctx context.Context, n int, types ...event.Type) (all []event.Event, err error) {
	err = r.mu.wait(ctx, func() (bool, string) {
		all = r.ofTypeLocked(types)
		return len(all) >= n, fmt.Sprintf("%d of %d events %v", len(all), n, types)
	})
	return all, err
}
