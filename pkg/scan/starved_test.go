package scan

import (
	"testing"

	"github.com/rediverio/sdk/internal/proc"
)

// A scanner that went on without what it asked for may have left something out, whatever its exit code.
func TestStarvedIsPartial(t *testing.T) {
	for name, p := range map[string]*Process{
		"":                           {},
		"a process that was refused": {ForksRefused: 1},
		"a process that was killed":  {OOMKills: 1},
	} {
		j := &scanJob{target: t.TempDir(), res: &Result{}}
		j.warnOf(p, proc.Spec{})
		if j.res.Partial != (name != "") {
			t.Errorf("%s: partial %v, %q", name, j.res.Partial, j.res.Warnings)
		}
	}
}
