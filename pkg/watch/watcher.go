package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

// Watcher takes looks. Its methods may be called concurrently; looks at the processes come one at a time, and so do
// those at the directories.
type Watcher struct {
	cfg   Config
	boot  string
	rules []*rule
	self  map[int]bool // the agent's own user

	procs  sync.Mutex // held by a look at the processes; guards the following
	tracks map[key]*track
	told   map[key]bool // parents of zombies that were reported

	dirs sync.Mutex // held by a look at the directories

	mu     sync.Mutex
	status Status // guarded by mu
}

// Status is what a Watcher has done so far.
type Status struct {
	Enforce   bool      `json:"enforce"`
	Looks     int64     `json:"looks"`
	LastLook  *Look     `json:"last_look,omitempty"` // at the processes; nil: none yet
	Warned    int64     `json:"warned"`              // findings of all looks, by what was done
	WouldStop int64     `json:"would_stop"`
	Stopped   int64     `json:"stopped"`
	Failed    int64     `json:"failed"`
	Reaped    int64     `json:"reaped"` // orphans that ended, where the agent is process 1 or a subreaper
	DirLooks  int64     `json:"dir_looks"`
	Dirs      []DirLook `json:"dirs"` // the last ones
	Freed     int64     `json:"freed_bytes"`
	LastError string    `json:"last_error,omitempty"` // why the last look at the processes failed; empty: it did not
}

// looksPart bounds what looking costs: at most one part in looksPart of a CPU.
const looksPart = 50

// New returns a Watcher. The error names every field of cfg that is out of range; it is errors.ErrUnsupported where there is
// something to watch and this system is not Linux.
func New(cfg Config) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if !cfg.Empty() && !Supported() {
		return nil, fmt.Errorf("watch: %w on this system", errors.ErrUnsupported)
	}
	w := &Watcher{cfg: cfg.withDefaults(), self: map[int]bool{os.Geteuid(): true}, tracks: map[key]*track{}}
	for _, r := range cfg.Rules {
		compiled, err := compile(r)
		if err != nil {
			return nil, err
		}
		w.rules = append(w.rules, compiled)
	}
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil && !cfg.Empty() {
		return nil, err
	}
	w.boot = strings.TrimSpace(string(b))
	return w, nil
}

// Supported says whether this system can be watched.
func Supported() bool { return proc.Supported().Sweep }

// Run takes looks until ctx is done, and reaps the orphans that process 1, or a subreaper, has to, also where there is nothing to
// watch. It returns when the last look has ended, a process that was asked to end included.
func (w *Watcher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, w.cfg.Interval, w.reap) })
	if len(w.rules) > 0 || w.cfg.Orphans {
		wg.Go(func() {
			every(ctx, w.cfg.Interval, func() {
				if _, err := w.LookAtProcesses(ctx); err != nil {
					w.problem(err)
				}
			})
		})
	}
	if len(w.cfg.Dirs) > 0 {
		wg.Go(func() { every(ctx, w.cfg.DirInterval, func() { w.LookAtDirs(ctx) }) })
	}
	wg.Wait()
}

func (w *Watcher) reap() {
	n := proc.Reap()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Reaped += int64(n)
}

// every calls look at an interval, less often when it takes long.
func every(ctx context.Context, interval time.Duration, look func()) {
	for ctx.Err() == nil {
		begin := time.Now()
		look()
		t := time.NewTimer(max(interval, looksPart*time.Since(begin)))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// LookAtProcesses takes one look at the processes, and acts on it.
func (w *Watcher) LookAtProcesses(ctx context.Context) (*Look, error) {
	w.procs.Lock()
	defer w.procs.Unlock()
	look, err := w.processes(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("look at processes: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Looks++
	w.status.LastLook, w.status.LastError = look, ""
	for _, f := range look.Findings {
		switch f.Action {
		case Warned:
			w.status.Warned++
		case WouldStop:
			w.status.WouldStop++
		case Terminated, Killed:
			w.status.Stopped++
		case Failed:
			w.status.Failed++
		}
	}
	if look.More = max(len(look.Findings)-maxFindings, 0); look.More > 0 {
		look.Findings = slices.Clone(look.Findings[:maxFindings])
	}
	return look, nil
}

// LookAtDirs takes one look at the directories, and cleans up what is over its size.
func (w *Watcher) LookAtDirs(ctx context.Context) []DirLook {
	w.dirs.Lock()
	defer w.dirs.Unlock()
	looks := make([]DirLook, 0, len(w.cfg.Dirs))
	var freed int64
	for _, d := range w.cfg.Dirs {
		look := w.clean(ctx, d)
		freed += look.Freed
		looks = append(looks, look)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.DirLooks++
	w.status.Dirs = looks
	w.status.Freed += freed
	return looks
}

// Once takes one look at everything. Where a rule is about CPU it takes a second longer, since one look alone does not
// say how much is used now.
func (w *Watcher) Once(ctx context.Context) (*Look, error) {
	if slices.ContainsFunc(w.rules, func(r *rule) bool { return r.limitsCPU() || r.StuckFor > 0 }) {
		w.procs.Lock()
		_, err := w.processes(ctx, false)
		w.procs.Unlock()
		if err != nil {
			return nil, err
		}
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.C:
		}
	}
	look, err := w.LookAtProcesses(ctx)
	if err != nil {
		return nil, err
	}
	both := *look
	both.Dirs = w.LookAtDirs(ctx)
	return &both, nil
}

// Status returns what was done so far. What it points to is not changed any more.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Enforce = w.cfg.Enforce
	return s
}

// problem records that a look failed, once for each text.
func (w *Watcher) problem(err error) {
	w.mu.Lock()
	news := w.status.LastError != err.Error()
	w.status.LastError = err.Error()
	w.mu.Unlock()
	if news {
		w.cfg.Sink.Record(event.Event{Timestamp: time.Now(), Type: event.AgentError, Severity: event.Warn, Message: "the host is not watched", Error: err.Error()})
	}
}
