package pool

import (
	"testing"

	"github.com/rediverio/sdk/internal/proc"
)

// The next agent finds what a killed one has left by this marker, and a watcher leaves alone what has it.
func TestServersAreMarked(t *testing.T) {
	p, _ := started(t, server(""))
	s := get(t, p)
	defer s.Release()
	all, _, err := proc.List(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		if process.PID == s.PID() {
			if marked, orphan := process.Marked(); !marked || orphan {
				t.Errorf("marked %v, orphan %v", marked, orphan)
			}
			return
		}
	}
	t.Errorf("process %d is not there", s.PID())
}
