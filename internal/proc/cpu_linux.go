package proc

import "time"

// cpuAccount adds up the CPU time of a tree over its samples. What a process has used becomes its parent's when that
// waits for it. Of a process that is gone without, because its parent ended before or does not care, the account keeps
// what the last sample saw.
type cpuAccount struct {
	seen  map[int]stat // the members in the last sample, by pid
	gone  time.Duration
	total time.Duration
}

// add takes a sample and returns the CPU time of the tree so far. It never returns less than before.
func (a *cpuAccount) add(members []stat) time.Duration {
	now := make(map[int]stat, len(members))
	a.total = a.gone
	for _, s := range members {
		now[s.pid] = s
		a.total += s.cpu + s.waited
	}
	still := func(s stat) bool { return now[s.pid].identity == s.identity }
	due := map[int]time.Duration{} // by pid of the nearest ancestor left, 0 for none: what that should have waited for
	for _, s := range a.seen {
		if still(s) {
			continue
		}
		up := s
		for range a.seen { // at most: what was not read at one moment might have a circle
			if up = a.seen[up.ppid]; still(up) {
				break
			}
		}
		due[up.pid] += s.cpu + s.waited
	}
	for pid, want := range due {
		got := now[pid].waited - a.seen[pid].waited
		if missing := want - got; missing > 0 {
			a.gone += missing
			a.total += missing
		}
	}
	a.seen = now
	return a.total
}

// without returns the total without the times of one process of the last sample, and of the children it waited for.
func (a *cpuAccount) without(pid int) time.Duration {
	s := a.seen[pid]
	return a.total - s.cpu - s.waited
}
