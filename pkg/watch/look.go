package watch

import (
	"context"
	"maps"
	"os"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// Look is what one look has found and done.
type Look struct {
	Time     time.Time     `json:"time"`
	Took     time.Duration `json:"took"` // nanoseconds
	BootID   string        `json:"boot_id"`
	Enforce  bool          `json:"enforce"`  // false: a dry run
	Seen     int           `json:"seen"`     // processes
	Cut      bool          `json:"cut"`      // there are more than Config.MaxProcesses
	Matched  int           `json:"matched"`  // processes that rules are about
	Findings []*Finding    `json:"findings"` // the first 1000
	More     int           `json:"more"`     // findings that are not listed, but acted upon all the same
	Zombies  []Parent      `json:"zombies"`  // those who leave zombies, most first
	Dirs     []DirLook     `json:"dirs"`
}

// maxFindings bounds what is kept of a look.
const maxFindings = 1000

// processes takes a look at the processes. Only where it is asked to act, it does what the rules say.
func (w *Watcher) processes(ctx context.Context, act bool) (*Look, error) {
	begin := time.Now()
	look := &Look{Time: begin, BootID: w.boot, Enforce: w.cfg.Enforce, Findings: []*Finding{}, Zombies: []Parent{}, Dirs: []DirLook{}}
	if len(w.rules) == 0 && !w.cfg.Orphans {
		return look, nil
	}
	all, cut, err := proc.List(w.cfg.MaxProcesses)
	if err != nil {
		return nil, err
	}
	look.Seen, look.Cut, look.Zombies = len(all), cut, zombies(all)
	untouchable := protect(all, cut)
	tracks := make(map[key]*track, len(w.tracks))
	for _, p := range all {
		if p.Zombie || p.Kernel || untouchable[p.PID] {
			continue
		}
		if t := w.judge(p, begin, look); t != nil {
			tracks[keyOf(p)] = t
		}
	}
	w.tracks = tracks // those who are gone are forgotten
	if act {
		w.act(ctx, look.Findings)
		for _, f := range look.Findings {
			w.record(f)
		}
		w.reportZombies(look.Zombies)
	}
	look.Took = time.Since(begin)
	return look, nil
}

// judge adds what there is to say of a process. It returns what the next look needs, nil for a process that no rule is about.
func (w *Watcher) judge(p proc.Process, now time.Time, look *Look) *track {
	command := p.Command()
	rules := w.rulesFor(p, command)
	if len(rules) == 0 && !w.cfg.Orphans {
		return nil
	}
	marked, orphan := p.Marked()
	orphan = orphan && w.cfg.Orphans && allows(w.self, p)
	if marked && !orphan || len(rules) == 0 && !orphan { // a living agent looks after it, or nobody has a word on it
		return nil
	}
	look.Matched++
	t := w.tracks[keyOf(p)]
	if t == nil {
		t = newTrack(p, now)
	}
	t.update(p, now)
	over := map[string]bool{}
	add := func(r *rule, v verdict) {
		f := newFinding(p, command, t, v)
		if f.rule = r; r != nil {
			f.Rule = r.Name
		}
		look.Findings = append(look.Findings, f)
		over[f.id()] = true
	}
	for _, r := range rules {
		for _, v := range r.judge(p, t, now) {
			add(r, v)
		}
	}
	if orphan {
		add(nil, verdict{reason: Orphan, level: Hard, value: p.Age.Seconds()})
	}
	maps.DeleteFunc(t.said, func(id, _ string) bool { return !over[id] }) // to be told again when it comes back
	return t
}

// rulesFor returns the rules that are about a process.
func (w *Watcher) rulesFor(p proc.Process, command string) (rules []*rule) {
	for _, r := range w.rules {
		if r.matches(p.Name, command) && allows(r.users, p) {
			rules = append(rules, r)
		}
	}
	return rules
}

// protect returns the pids that no rule is about: the first process, this one, its parents and its children. Where not all
// processes are listed, one whose parents are not may be below this one, too.
func protect(all []proc.Process, cut bool) map[int]bool {
	self := os.Getpid()
	parent := make(map[int]int, len(all))
	for _, p := range all {
		parent[p.PID] = p.Parent
	}
	ours := map[int]bool{self: true, 0: false, 1: false} // whether it descends from this process
	for _, p := range all {
		var way []int
		pid := p.PID
		for _, known := ours[pid]; !known; _, known = ours[pid] {
			up, listed := parent[pid]
			if !listed {
				ours[pid] = cut
				break
			}
			way = append(way, pid)
			ours[pid] = false // a list that was made while processes came and went may have a circle
			pid = up
		}
		for _, below := range way {
			ours[below] = ours[pid]
		}
	}
	for pid := parent[self]; pid != 0 && !ours[pid]; pid = parent[pid] {
		ours[pid] = true
	}
	for pid := range proc.Ancestors() { // also where the list has not got as far as this process
		ours[pid] = true
	}
	ours[0], ours[1] = true, true
	return ours
}
