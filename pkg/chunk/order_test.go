package chunk

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

func TestHigherPriorityFirstThenOlder(t *testing.T) {
	m := open(t, Config{})
	for i, prio := range []int{0, 1, 5, 10, 1, 10, -3} {
		submit(t, m, testReport(fmt.Sprint("r", i), 1), part.Envelope{Priority: prio})
	}
	var got []string
	for _, p := range drain(t, m) {
		got = append(got, p.ReportID)
	}
	if want := []string{"r3", "r5", "r2", "r1", "r4", "r0", "r6"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestHigherPriorityOvertakesTheWindow(t *testing.T) {
	m := open(t, Config{})
	for i := range windowSize + 20 {
		submit(t, m, testReport(fmt.Sprint("r", i), 1))
	}
	settle(t, m, next(t, m), uploaded)
	submit(t, m, testReport("urgent", 1), part.Envelope{Priority: 1})
	if p := next(t, m); p.ReportID != "urgent" {
		t.Fatalf("%s goes before the urgent one", p.ReportID)
	} else {
		settle(t, m, p, uploaded)
	}
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("low", 1))
	for i := range 2 * fairEvery {
		submit(t, m, testReport(fmt.Sprint("high", i), 1), part.Envelope{Priority: 9})
		p := next(t, m)
		settle(t, m, p, uploaded)
		if p.ReportID == "low" {
			return
		}
	}
	t.Fatalf("not among %d uploads", 2*fairEvery)
}

func TestPoisonPartDelaysNoOther(t *testing.T) {
	m := open(t, Config{MaxConcurrentUploads: 1})
	submit(t, m, testReport("poison", 1), part.Envelope{Priority: 9})
	for i := range 20 {
		submit(t, m, testReport(fmt.Sprint("good", i), 1))
	}
	poisoned, good := 0, 0
	for good < 20 {
		p := next(t, m)
		if p == nil {
			t.Fatalf("nothing due after %d of 20", good)
		}
		if p.ReportID == "poison" {
			poisoned++
			settle(t, m, p, part.Outcome{Kind: part.Retry, Due: time.Now().Add(time.Hour), Err: errors.New("boom")})
			continue
		}
		settle(t, m, p, uploaded)
		good++
	}
	if poisoned != 1 {
		t.Fatalf("tried %d times, want once an hour", poisoned)
	}
}

// The difference of these priorities overflows an int.
func TestExtremePrioritiesKeepTheirOrder(t *testing.T) {
	m := open(t, Config{})
	if p := next(t, m); p != nil { // from here on new parts are sorted in memory
		t.Fatal(p.Key)
	}
	for i, prio := range []int{math.MinInt, math.MaxInt, 0} {
		submit(t, m, testReport(fmt.Sprint("r", i), 1), part.Envelope{Priority: prio})
	}
	var got []string
	for _, p := range drain(t, m) {
		got = append(got, p.ReportID)
	}
	if want := []string{"r1", "r2", "r0"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}
