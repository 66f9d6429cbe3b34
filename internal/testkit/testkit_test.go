package testkit_test

import (
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
)

func TestRecorderKeepsOrderAndFiltersByType(t *testing.T) {
	var r testkit.Recorder
	for _, e := range []event.Type{event.JobStarted, event.JobCompleted, event.JobStarted} {
		r.Record(event.Event{Type: e})
	}
	if got := len(r.Events()); got != 3 {
		t.Errorf("Events() = %d events, want 3", got)
	}
	if got := len(r.Events(event.JobStarted)); got != 2 {
		t.Errorf("Events(JobStarted) = %d events, want 2", got)
	}
}

func TestEventuallyReturnsOnceTrue(t *testing.T) {
	calls := 0
	testkit.Eventually(t, "the third call", func() bool { calls++; return calls == 3 })
	if calls != 3 {
		t.Errorf("ok was called %d times, want 3", calls)
	}
}

func TestGoroutinesNamesThoseOfThePackageAlone(t *testing.T) {
	if left := testkit.Goroutines("pkg/event"); left != "" {
		t.Errorf("Goroutines(pkg/event) = %s, want none", left)
	}
	if left := testkit.Goroutines("pkg/none"); strings.Contains(left, "testkit") {
		t.Errorf("Goroutines(pkg/none) = %s, want none", left)
	}
}
