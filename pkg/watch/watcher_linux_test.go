package watch

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

func TestNothingIsEndedUnlessItIsEnforced(t *testing.T) {
	tok := token()
	p := launch(t, "hog", tok)
	w, events := watcher(t, tok, nil)
	for range 2 {
		f := only(t, look(t, w))
		if f.PID != p.PID || f.Start != p.Start || f.Reason != Memory || f.Level != Hard || f.Action != WouldStop || f.Value < 64<<20 || f.Limit != 1<<20 {
			t.Errorf("got %+v", f)
		}
	}
	if !alive(t, p) {
		t.Error("a dry run ended the process")
	}
	warned := events.OfType(event.ProcessWarning)
	if len(warned) != 1 || warned[0].Details["action"] != "would stop" || warned[0].Details["pid"] != p.PID || warned[0].Details["boot_id"] == "" {
		t.Errorf("two looks recorded %+v, want one warning", warned)
	}
	if s := w.Status(); s.Looks != 2 || s.WouldStop != 2 || s.Stopped != 0 || s.Enforce || s.LastLook == nil {
		t.Errorf("status %+v", s)
	}
}

func TestHardLimitEndsAProcess(t *testing.T) {
	for mode, want := range map[string]Action{"hog": Terminated, "deaf": Killed} {
		t.Run(mode, func(t *testing.T) {
			tok := token()
			p := launch(t, mode, tok)
			w, events := watcher(t, tok, func(c *Config, r *Rule) { c.Enforce = true })
			if f := only(t, look(t, w)); f.Action != want || f.Error != "" {
				t.Errorf("got %+v, want %s", f, want)
			}
			if alive(t, p) {
				t.Error("it lives")
			}
			stopped := events.OfType(event.ProcessStopped)
			if len(stopped) != 1 || stopped[0].Details["action"] != string(want) || stopped[0].Details["rule"] != "test" || stopped[0].Details["reason"] != "memory" {
				t.Errorf("recorded %+v", events.Events())
			}
			if l := look(t, w); len(l.Findings) != 0 || w.Status().Stopped != 1 {
				t.Errorf("afterwards: %+v, %+v", l, w.Status())
			}
		})
	}
}

func TestSoftLimitAndActionWarn(t *testing.T) {
	tok := token()
	p := launch(t, "hog", tok)
	w, events := watcher(t, tok, func(c *Config, r *Rule) {
		c.Enforce, r.SoftMemoryBytes, r.HardMemoryBytes = true, 1<<20, 1<<40
		hard := Rule{Name: "warns", Pattern: regexp.QuoteMeta(tok), HardMemoryBytes: 1 << 20, Action: ActionWarn}
		c.Rules = append(c.Rules, hard)
	})
	l := look(t, w)
	if len(l.Findings) != 2 || l.Findings[0].Action != Warned || l.Findings[1].Action != Warned || l.Matched != 1 {
		t.Errorf("got %+v", l)
	}
	if !alive(t, p) || len(events.OfType(event.ProcessWarning)) != 2 {
		t.Errorf("alive %v, recorded %+v", alive(t, p), events.Events())
	}
}

func TestCPULimitNeedsTime(t *testing.T) {
	tok := token()
	p := launch(t, "spin", tok)
	w, _ := watcher(t, tok, func(c *Config, r *Rule) {
		c.Enforce, r.HardMemoryBytes, r.HardCPUPercent, r.CPUFor = true, 0, 1, 2*time.Second
	})
	if l := look(t, w); len(l.Findings) != 0 {
		t.Errorf("the first look knows no CPU, yet it found %+v", l.Findings[0])
	}
	f := only(t, until(t, w, time.Second, func(l *Look) bool { return len(l.Findings) > 0 }))
	if f.Reason != CPU || f.Level != Pending || f.Action != Nothing {
		t.Errorf("got %+v", f)
	}
	f = only(t, until(t, w, time.Second, func(l *Look) bool { return len(l.Findings) > 0 && l.Findings[0].Level == Hard }))
	if f.Action != Terminated || f.Value < 1 || alive(t, p) {
		t.Errorf("got %+v", f)
	}
}

func TestStuckAndOldProcesses(t *testing.T) {
	tok := token()
	launch(t, "hang", tok)
	w, _ := watcher(t, tok, func(c *Config, r *Rule) { r.HardMemoryBytes, r.StuckFor, r.MaxAge = 0, time.Second, time.Second })
	seen := map[Reason]bool{}
	until(t, w, 100*time.Millisecond, func(l *Look) bool {
		for _, f := range l.Findings {
			seen[f.Reason] = true
		}
		return seen[Stuck] && seen[Age]
	})
}

// What must never be ended, whatever the rules say.
func TestProtectedProcesses(t *testing.T) {
	tok := token()
	started(t, "hog", tok)                                                         // a child of ours
	started(t, "launch:hog", tok, proc.MarkerEnv+"="+proc.MakeMarker("job"))       // we look after it
	started(t, "launch:hog", tok, proc.MarkerEnv+"=1.1.1/other-pid-namespace/xxx") // somebody may look after it
	w, _ := watcher(t, tok, nil)
	if l := look(t, w); len(l.Findings) != 0 {
		t.Errorf("found %+v", l.Findings[0])
	}
	all, _, err := proc.List(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	safe := protect(all, false)
	for _, pid := range []int{1, os.Getpid(), os.Getppid()} {
		if !safe[pid] {
			t.Errorf("process %d is not protected", pid)
		}
	}
	self, _ := lookUp(t, os.Getpid())
	w, _ = watcher(t, self.Name, func(c *Config, r *Rule) { r.Pattern = regexp.QuoteMeta(self.Command()) })
	for _, f := range look(t, w).Findings {
		if f.PID == os.Getpid() {
			t.Error("it found itself")
		}
	}
}

func TestProcessesOfOtherUsersAreLeftAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	tok := token()
	const nobody = 65534
	cmd := exec.Command("/bin/sh", "-c", "(sleep 60 && : "+tok+") & echo", tok)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setpgid: true}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // its group lives on in the background process
	change := func(c *Config, r *Rule) { r.HardMemoryBytes, r.MaxAge = 0, time.Second }
	w, _ := watcher(t, tok, change)
	mine, _ := watcher(t, tok, func(c *Config, r *Rule) { change(c, r); r.Users = []string{fmt.Sprint(nobody)} })
	until(t, mine, 100*time.Millisecond, func(l *Look) bool { return len(l.Findings) > 0 })
	if l := look(t, w); l.Matched != 0 {
		t.Errorf("found %+v", l.Findings)
	}
}

// A process that is not what it was any more is left alone.
func TestIdentityIsCheckedAgain(t *testing.T) {
	tok := token()
	p := launch(t, "hog", tok)
	w, _ := watcher(t, tok, func(c *Config, r *Rule) { c.Enforce = true })
	for name, change := range map[string]func(*Finding){
		"another start":   func(f *Finding) { f.process.Start-- },
		"another program": func(f *Finding) { f.rule.re = regexp.MustCompile("no such program " + token()) },
		"another user":    func(f *Finding) { f.rule.users = map[int]bool{os.Getuid() + 1: true} },
	} {
		r := *w.rules[0]
		f := newFinding(p, "", newTrack(p, time.Now()), verdict{reason: Memory, level: Hard})
		f.rule = &r
		change(f)
		w.act(t.Context(), []*Finding{f})
		if f.Action != Gone || !alive(t, p) {
			t.Errorf("%s: %s, alive %v", name, f.Action, alive(t, p))
		}
	}
}

func TestOneLookEndsOnlySoMany(t *testing.T) {
	tok := token()
	launch(t, "hang", tok)
	hog := launch(t, "hog", tok)
	w, _ := watcher(t, tok, func(c *Config, r *Rule) { c.Enforce, c.MaxStops = true, 1 })
	l := look(t, w)
	if len(l.Findings) != 2 {
		t.Fatalf("got %+v", l)
	}
	for _, f := range l.Findings {
		if want := map[bool]Action{true: Terminated, false: Postponed}[f.PID == hog.PID]; f.Action != want {
			t.Errorf("%+v, want %s: the one with the most memory goes first", f, want)
		}
	}
	if f := only(t, look(t, w)); f.Action != Terminated {
		t.Errorf("the next look: %+v", f)
	}
}

// The test must not end what other tests of this host have left behind, so only its own finding is acted on.
func TestOrphansOfADeadAgent(t *testing.T) {
	tok := token()
	self, _ := lookUp(t, os.Getpid())
	ns := strings.Split(proc.Owner(), ".")[0]
	p := launch(t, "hang", tok, fmt.Sprintf("%s=%s.%d.%d/job/x", proc.MarkerEnv, ns, self.PID, self.Start+1))
	w, err := New(Config{Orphans: true})
	if err != nil {
		t.Fatal(err)
	}
	var mine *Finding
	for _, f := range look(t, w).Findings {
		if f.PID == p.PID {
			mine = f
		}
	}
	if mine == nil {
		if !alive(t, p) {
			t.Skip("another agent of this host has swept it")
		}
		t.Fatal("it was not found")
	}
	if mine.Reason != Orphan || mine.Action != WouldStop {
		t.Errorf("got %+v", mine)
	}
	w.cfg.Enforce = true
	w.act(t.Context(), []*Finding{mine})
	if mine.Action != Terminated && mine.Action != Gone || alive(t, p) {
		t.Errorf("got %+v", mine)
	}
}

func TestZombiesAreCountedByParent(t *testing.T) {
	tok := token()
	p := launch(t, "zombies", tok)
	w, events := watcher(t, tok, func(c *Config, r *Rule) { c.MaxZombies = 3 })
	mine := func(l *Look) (parent Parent) {
		for _, z := range l.Zombies {
			if z.PID == p.PID {
				parent = z
			}
		}
		return parent
	}
	l := until(t, w, 100*time.Millisecond, func(l *Look) bool { return mine(l).Zombies == 3 })
	if z := mine(l); z.Start != p.Start || z.Name != p.Name {
		t.Errorf("got %+v", z)
	}
	look(t, w)
	told := 0
	for _, e := range events.OfType(event.ProcessWarning) {
		if e.Details["reason"] == "zombies" && e.Details["pid"] == p.PID {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it was told %d times, want once", told)
	}
}

// A subreaper has orphans to reap, and no other duty to.
func TestOrphansOfASubreaperAreReaped(t *testing.T) {
	started(t, "subreaper", token()) // it says nothing before it has reaped
}

func TestProtectCopesWithCircles(t *testing.T) {
	self := os.Getpid()
	safe := protect([]proc.Process{
		{PID: self, Parent: 70}, {PID: 70, Parent: 60}, {PID: 60, Parent: 1}, {PID: 80, Parent: self}, {PID: 81, Parent: 80}, {PID: 90, Parent: 91}, {PID: 91, Parent: 90}, {PID: 92, Parent: 60},
		{PID: 95, Parent: 1 << 30},
	}, false)
	for pid, want := range map[int]bool{1: true, self: true, 70: true, 60: true, 80: true, 81: true, 90: false, 91: false, 92: false, 95: false} {
		if safe[pid] != want {
			t.Errorf("%d: %v, want %v", pid, safe[pid], want)
		}
	}
}

// Where the list ends before this process, its parents are protected all the same, and what may be below it.
func TestProtectWithACutList(t *testing.T) {
	safe := protect([]proc.Process{{PID: os.Getppid(), Parent: 1}, {PID: 1 << 29, Parent: 1 << 30}, {PID: 1 << 28, Parent: 1}}, true)
	for pid, want := range map[int]bool{1: true, os.Getpid(): true, os.Getppid(): true, 1 << 29: true, 1 << 28: false} {
		if safe[pid] != want {
			t.Errorf("%d: %v, want %v", pid, safe[pid], want)
		}
	}
}

func TestOnceKnowsTheCPU(t *testing.T) {
	tok := token()
	launch(t, "spin", tok)
	w, _ := watcher(t, tok, func(c *Config, r *Rule) { r.SoftCPUPercent = 1 })
	l, err := w.Once(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Findings) != 2 || l.Findings[1].Reason != CPU || l.Findings[1].Level != Pending {
		t.Errorf("got %+v", l.Findings)
	}
}
