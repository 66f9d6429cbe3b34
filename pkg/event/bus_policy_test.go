package event

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Events 0 to 4 of INFO and then one DEBUG go to a bus that does not run, with room for 3 of INFO and 1 of DEBUG.
func TestPolicies(t *testing.T) {
	for _, tc := range []struct {
		policy  Policy
		want    string
		dropped [3]uint64
	}{
		{DropOldest, "2 3 4 d", [3]uint64{0, 2, 0}},
		{DropNewest, "0 1 2 d", [3]uint64{0, 2, 0}},
		{DropLowPriority, "0 1 2 3 4", [3]uint64{0, 0, 1}}, // 5 places in all: the last newcomer is of the lowest priority
		{Block, "0 1 2 d", [3]uint64{0, 2, 0}},
	} {
		t.Run(string(tc.policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus(t, BusConfig{Workers: 1, Policy: tc.policy, QueueSizes: [3]int{1, 3, 1}})
				var c collector
				b.Subscribe(c.handle)
				for i := range 5 {
					b.Record(Event{Type: JobStarted, Message: fmt.Sprint(i)})
				}
				b.Record(Event{Type: JobStarted, Severity: Debug, Message: "d"})
				s := b.Stats()
				wantBalanced(t, s)
				if s.DroppedByPriority != tc.dropped || s.DroppedByType[JobStarted] != s.Dropped {
					t.Errorf("dropped %v by priority and %v by type, want %v", s.DroppedByPriority, s.DroppedByType, tc.dropped)
				}
				startBus(t, b)
				stopBus(t, b)
				if got := strings.Join(c.got, " "); got != tc.want {
					t.Errorf("handled %q, want %q", got, tc.want)
				}
			})
		})
	}
}

func TestDropLowPriorityDropsTheLowestFirst(t *testing.T) {
	b := newBus(t, BusConfig{Workers: 1, Policy: DropLowPriority, QueueSizes: [3]int{1, 1, 2}})
	var c collector
	b.Subscribe(c.handle)
	for i, s := range []Severity{Debug, Debug, Info, Info, Error, Error, Error, Error, Critical} {
		b.Record(Event{Severity: s, Message: fmt.Sprint(i)})
	}
	startBus(t, b)
	stopBus(t, b)
	if got := strings.Join(c.got, " "); got != "4 5 6 7" {
		t.Errorf("handled %q, want the four errors: nothing has a lower priority than the critical event", got)
	}
	if s := b.Stats(); s.DroppedByPriority != [3]uint64{1, 2, 2} {
		t.Errorf("dropped %v by priority, want [1 2 2]", s.DroppedByPriority)
	}
}

func TestBlockWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, BusConfig{Workers: 1, Policy: Block, QueueSizes: [3]int{1, 1, 1}})
		b.Subscribe(func(context.Context, Event) { time.Sleep(100 * time.Millisecond) })
		startBus(t, b)
		for range 10 {
			b.Record(Event{Type: JobStarted})
		}
		stopBus(t, b)
		if s := b.Stats(); s.Handled != 10 || s.Dropped != 0 {
			t.Errorf("Stats() = %+v, want all 10 handled", s)
		}
	})
}

func TestBlockEndsWithStopAndAfterATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, BusConfig{Policy: Block, QueueSizes: [3]int{1, 1, 1}})
		b.Subscribe(func(context.Context, Event) {})
		b.Record(Event{})
		begin := time.Now()
		b.Record(Event{}) // the bus is not started and takes nothing
		if waited := time.Since(begin); waited != blockTimeout {
			t.Errorf("Record waited %v, want %v", waited, blockTimeout)
		}
		begin = time.Now()
		returned := make(chan struct{})
		go func() {
			b.Record(Event{})
			close(returned)
		}()
		synctest.Wait()
		stopBus(t, b)
		<-returned
		if time.Since(begin) != 0 {
			t.Error("Record waited on after Stop")
		}
		wantBalanced(t, b.Stats())
	})
}
