package watch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// A limit of CPU is passed when every look for CPUFor has seen the process over it.
func TestCPUMustBeOverTheLimitAllTheTime(t *testing.T) {
	r := &rule{Rule: Rule{SoftCPUPercent: 50, HardCPUPercent: 150, CPUFor: time.Minute}}
	begin := time.Unix(1e9, 0)
	p := proc.Process{}
	tr := newTrack(p, begin)
	r.judge(p, tr, begin)
	var got []string
	for i, percent := range []int{200, 200, 200, 10, 200, 60, 60, 60} { // of the last 30 seconds
		now := begin.Add(time.Duration(i+1) * 30 * time.Second)
		p.CPU += time.Duration(percent) * 30 * time.Second / 100
		tr.update(p, now)
		text := "-"
		for _, v := range r.judge(p, tr, now) {
			text = string(v.level)
		}
		got = append(got, text)
	}
	// 60 after 200: over the soft limit for a minute, and not over the hard one any more.
	want := "pending hard hard - pending soft soft soft"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestStuckIsWithoutAnyCPU(t *testing.T) {
	r := &rule{Rule: Rule{StuckFor: time.Minute}}
	begin := time.Unix(1e9, 0)
	p := proc.Process{CPU: time.Second}
	tr := newTrack(p, begin)
	for i, step := range []struct {
		used  time.Duration
		stuck bool
	}{{0, false}, {0, true}, {10 * time.Millisecond, false}, {0, false}, {0, true}} {
		now := begin.Add(time.Duration(i+1) * 30 * time.Second)
		p.CPU += step.used
		tr.update(p, now)
		if got := len(r.judge(p, tr, now)) == 1; got != step.stuck {
			t.Errorf("look %d: stuck %v, want %v", i, got, step.stuck)
		}
	}
}

func TestMemoryAndAge(t *testing.T) {
	r := &rule{Rule: Rule{SoftMemoryBytes: 100, HardMemoryBytes: 200, MaxAge: time.Hour}}
	for _, tt := range []struct {
		memory int64
		age    time.Duration
		want   []verdict
	}{
		{100, time.Hour, nil},
		{101, 0, []verdict{{Memory, Soft, 101, 100}}},
		{201, 2 * time.Hour, []verdict{{Memory, Hard, 201, 200}, {Age, Hard, 7200, 3600}}},
	} {
		p := proc.Process{Memory: tt.memory, Age: tt.age}
		if got := r.judge(p, newTrack(p, time.Now()), time.Now()); !slices.Equal(got, tt.want) {
			t.Errorf("%d bytes, %s: got %v, want %v", tt.memory, tt.age, got, tt.want)
		}
	}
}

// A look that takes long is taken less often, so that looking costs a fiftieth of a CPU at most.
func TestLooksAreTakenAtAnInterval(t *testing.T) {
	for took, want := range map[time.Duration]int{time.Millisecond: 10, 2 * time.Second: 3} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute-time.Second)
			defer cancel()
			looks := 0
			every(ctx, 30*time.Second, func() { looks++; time.Sleep(took) })
			if looks != want {
				t.Errorf("%d looks of %s in 5 minutes, want %d", looks, took, want)
			}
		})
	}
}

func TestConfigNamesAllProblems(t *testing.T) {
	err := Config{
		Interval: time.Millisecond, Grace: time.Hour, MaxStops: -1,
		Rules: []Rule{
			{Pattern: ".*", SoftMemoryBytes: 2 << 20, HardMemoryBytes: 1 << 20, Action: "kill"},
			{Pattern: "("}, {Pattern: "...", MaxAge: time.Hour}, {Pattern: "a", MaxAge: time.Hour}, {Name: "a", Pattern: "b", MaxAge: time.Hour},
		},
		Dirs: []Dir{{Path: "relative"}, {Path: "/"}},
	}.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, want := range []string{
		"interval: 1ms is outside 1s to 24h0m0s", "grace: ", "max_stops: -1", `rules.0.pattern: ".*" matches every process`, "rules.0.soft_memory_bytes: ",
		"rules.0.action: ", "rules.1.pattern: error parsing", "rules.1.pattern: the rule has no limit", "rules.2.pattern: ", `rules.4.name: "a" is that of another rule`,
		"dirs.0.path: ", "dirs.0.max_bytes: ", "dirs.1.path: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if err := (Config{}).Validate(); err != nil || !(Config{}).Empty() {
		t.Errorf("the zero value: %v", err)
	}
}

func TestUnknownUserIsRefused(t *testing.T) {
	if !Supported() {
		t.Skip("there is nothing to watch on this system")
	}
	_, err := New(Config{Rules: []Rule{{Pattern: "a", MaxAge: time.Hour, Users: []string{"no-such-user-here"}}}})
	if err == nil || !strings.Contains(err.Error(), "no-such-user-here") {
		t.Errorf("got %v", err)
	}
}

func FuzzRule(f *testing.F) {
	f.Add("node.*mcp", "node server mcp")
	f.Add("(a|b)*", "")
	f.Fuzz(func(t *testing.T, pattern, command string) {
		r := Rule{Pattern: pattern, MaxAge: time.Hour}
		if r.Validate() != nil {
			return
		}
		c, err := compile(r)
		if err != nil || c.matches("", "") {
			t.Errorf("%q: %v", pattern, err)
		}
		c.matches(command, command)
	})
}
