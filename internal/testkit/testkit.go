// Package testkit has the helpers that the tests of all packages share: waiting for what happens elsewhere, recorded
// events, and goroutines left behind.
package testkit

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// patience bounds every wait of a test. It only ends tests that would never end, so it suits a machine under any load.
const patience = 2 * time.Minute

// Eventually polls until ok returns true. It fails the test if that does not happen, naming what was awaited. Prefer an
// event or testing/synctest; this is for real processes, files and sockets.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen within %v", what, patience)
		}
	}
}

// Must returns v and panics if err is not nil. It is for set-up that cannot fail.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Check ends the test if err is not nil.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Goroutines returns the stacks of the goroutines that run code of the named package, such as "pkg/audit", once there
// are none or they have had time to end. Call it when every test of a package has run.
func Goroutines(pkg string) string {
	for deadline := time.Now().Add(patience / 4); ; time.Sleep(10 * time.Millisecond) {
		left := goroutinesNow("/" + pkg + ".")
		if left == "" || time.Now().After(deadline) {
			return left
		}
	}
}

func goroutinesNow(name string) string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for i, g := range strings.Split(string(buf), "\n\n") {
		if i > 0 && strings.Contains(g, name) { // the first is the caller
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// Recorder is an event.Sink that keeps every event. The zero value is ready to use.
type Recorder struct {
	mu     sync.Mutex
	events []event.Event
}

// Record implements event.Sink.
func (r *Recorder) Record(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Events returns the recorded events of the given types, or all events if none is given, in order.
func (r *Recorder) Events(types ...event.Type) (out []event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if len(types) == 0 || slices.Contains(types, e.Type) {
			out = append(out, e)
		}
	}
	return out
}
