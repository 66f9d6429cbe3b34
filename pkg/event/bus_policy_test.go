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
			b := newBus(t, &BusConfig{Workers: 1, Policy: tc.policy, QueueSizes: [3]int{1, 3, 1}, BlockTimeout: time.Millisecond})
			var c collector
			b.Subscribe(c.handle)
			for i := range 5 {
				b.Record(Event{Type: JobStarted, Message: fmt.Sprint(i)})
			}
			b.Record(Event{Type: JobStarted, Severity: Debug, Message: "d"})
			s := b.Stats()
			wantBalanced(t, s)
			if s.DroppedByPriority != tc.dropped || s.DroppedByType[JobStarted] != s.Dropped {
				t.Errorf("dropped %v %v, want %v", s.DroppedByPriority, s.DroppedByType, tc.dropped)
			}
			b.Start()
			stopBus(t, b)
			if got := strings.Join(c.got, " "); got != tc.want {
				t.Errorf("handled %q, want %q", got, tc.want)
			}
		})
	}
}

func TestDropLowPriorityMakesRoomForTheHigh(t *testing.T) {
	b := newBus(t, &BusConfig{Workers: 1, Policy: DropLowPriority, QueueSizes: [3]int{1, 1, 2}})
	var c collector
	b.Subscribe(c.handle)
	for i, s := range []Severity{Debug, Debug, Info, Info, Error, Error, Error, Error, Critical} {
		b.Record(Event{Severity: s, Message: fmt.Sprint(i)})
	}
	b.Start()
	stopBus(t, b)
	if got := strings.Join(c.got, " "); got != "4 5 6 7" {
		t.Errorf("handled %q; want the four errors, the critical one having nothing beneath it", got)
	}
	if s := b.Stats(); s.DroppedByPriority != [3]uint64{1, 2, 2} {
		t.Errorf("dropped %v", s.DroppedByPriority)
	}
}

func TestBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, &BusConfig{Workers: 1, Policy: Block, QueueSizes: [3]int{1, 1, 1}})
		b.Subscribe(func(context.Context, Event) { time.Sleep(100 * time.Millisecond) })
		b.Start()
		for range 10 {
			b.Record(Event{Type: JobStarted})
		}
		stopBus(t, b)
		if s := b.Stats(); s.Handled != 10 || s.Dropped != 0 {
			t.Errorf("%+v; want all 10 handled", s)
		}
	})
}

func TestBlockEndsWithStopAndWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, &BusConfig{Policy: Block, QueueSizes: [3]int{1, 1, 1}, BlockTimeout: time.Minute})
		b.Subscribe(func(context.Context, Event) {})
		b.Record(Event{})
		begin := time.Now()
		b.Record(Event{}) // never started: nothing is taken
		if waited := time.Since(begin); waited != time.Minute {
			t.Errorf("waited %v, want BlockTimeout", waited)
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
			t.Error("Stop did not let the waiting producer go")
		}
		wantBalanced(t, b.Stats())
	})
}
