package sdktest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Recorder is an event.Sink that keeps every event.
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

// Events returns all events so far, in their order.
func (r *Recorder) Events() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// OfType returns the events of these types so far, in their order.
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

// WaitFor returns the first event of type t, at once when it was recorded before. It fails when ctx ends first.
func (r *Recorder) WaitFor(ctx context.Context, t event.Type) (event.Event, error) {
	all, err := r.WaitForN(ctx, 1, t)
	if err != nil {
		return event.Event{}, err
	}
	return all[0], nil
}

// WaitForN waits until there are n events of these types and returns all there are.
func (r *Recorder) WaitForN(ctx context.Context, n int, types ...event.Type) (all []event.Event, err error) {
	err = r.mu.wait(ctx, func() (bool, string) {
		all = r.ofTypeLocked(types)
		return len(all) >= n, fmt.Sprintf("%d of %d events %v", len(all), n, types)
	})
	return all, err
}
