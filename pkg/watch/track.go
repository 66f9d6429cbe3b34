package watch

import (
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// minGap is the least time between two looks that says how much CPU a process uses: the kernel counts in 10 ms.
const minGap = 200 * time.Millisecond

// key names a process until the next boot.
type key struct {
	pid   int
	start uint64
}

func keyOf(p proc.Process) key { return key{p.PID, p.Start} }

// track is what earlier looks know of a process that matches a rule.
type track struct {
	cpu     time.Duration
	at      time.Time
	percent float64   // of one CPU, between the last two looks; -1: there was only one
	idle    time.Time // since when it has used no CPU; zero: it does
	over    map[*rule]*since
	said    map[string]string // the action that was last reported, by rule and reason
}

// since is from when on a process is over the limits of a rule, zero where it is not.
type since struct{ soft, hard time.Time }

func newTrack(p proc.Process, now time.Time) *track {
	return &track{cpu: p.CPU, at: now, percent: -1, over: map[*rule]*since{}, said: map[string]string{}}
}

// update takes a look at the CPU of the process.
func (t *track) update(p proc.Process, now time.Time) {
	gap := now.Sub(t.at)
	if gap < minGap {
		return
	}
	used := p.CPU - t.cpu
	t.percent = 100 * float64(used) / float64(gap)
	if used > 0 {
		t.idle = time.Time{}
	} else if t.idle.IsZero() {
		t.idle = t.at
	}
	for r, s := range t.over {
		s.soft = t.overSince(s.soft, r.SoftCPUPercent)
		s.hard = t.overSince(s.hard, r.HardCPUPercent)
	}
	t.cpu, t.at = p.CPU, now
}

// overSince moves on the time from which a limit is passed.
func (t *track) overSince(before time.Time, limit float64) time.Time {
	switch {
	case limit <= 0 || t.percent < limit:
		return time.Time{}
	case before.IsZero():
		return t.at
	}
	return before
}

// follow begins to judge the process by a rule.
func (t *track) follow(r *rule) *since {
	s := t.over[r]
	if s == nil {
		s = &since{}
		t.over[r] = s
	}
	return s
}
