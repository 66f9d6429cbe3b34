package proc

import (
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep kills the processes that an agent which is dead by now has left behind, and removes their control groups: what
// is in a leaf whose name says a process of this pid namespace that no longer exists, what is marked with one, and what
// the records (Spec.Record) of one tell. It returns how many it killed, and how many of them are still alive. The
// caller itself and those above it are never among them, nor is a group that holds one of them.
func Sweep(records ...string) (killed, left int) {
	var s leftBehind
	s.read(records)
	s.addLeaves()
	least := time.Now()
	if s.unborn {
		least = least.Add(execTime)
	}
	killed, left = killAll(s.find, least, killWait)
	for _, l := range s.leaves {
		_ = l.end(time.Now().Add(killWait)) // a group that stays is found again by the next sweep
	}
	return killed, left
}

// leftBehind is where to look for what dead agents have started.
type leftBehind struct {
	records []record
	leaves  map[string]*leaf // by directory
	unborn  bool             // a child may have been forked that has not got its marker yet
}

func (s *leftBehind) read(files []string) {
	boot := bootID()
	for _, file := range files {
		if r, ok := readRecord(file); ok && r.Boot == boot && OwnerDead(r.Owner) {
			s.records = append(s.records, r)
			s.unborn = s.unborn || r.PID == 0 && r.Leaf == ""
		}
	}
}

func (s *leftBehind) addLeaves() {
	s.leaves = map[string]*leaf{}
	for _, r := range s.records {
		var fs unix.Statfs_t
		if r.Leaf != "" && unix.Statfs(r.Leaf, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			s.leaves[r.Leaf] = &leaf{dir: r.Leaf}
		}
	}
	if l, err := ownLeaves(); err == nil { // else there are no groups here
		for _, l := range l.left() {
			s.leaves[l.dir] = l
		}
	}
	spared := Ancestors()
	spared[os.Getpid()] = true
	maps.DeleteFunc(s.leaves, func(_ string, l *leaf) bool { // it is killed as a whole
		for pid := range l.procs() {
			if spared[pid] {
				return true
			}
		}
		return false
	})
}

// find returns what is alive of all that, with all descendants.
func (s *leftBehind) find() []stat {
	all := othersThan(Ancestors())
	found := map[int]bool{}
	for _, r := range s.records {
		for _, p := range r.find(all) {
			found[p.pid] = true
		}
	}
	for _, l := range s.leaves {
		maps.Copy(found, l.procs())
		_ = l.kill() // also those being forked; what has no groups has no processes in them
	}
	ns := pidNamespace()
	for _, p := range all {
		if !found[p.pid] && ownerDead(ownerIn(markerOf(p.pid)), ns) {
			found[p.pid] = true
		}
	}
	return descendants(all, found)
}

// Ancestors returns the pids of the processes above this one, 0 above the first of the pid namespace.
func Ancestors() map[int]bool {
	above := map[int]bool{}
	for s, ok := readStat(os.Getpid()); ok && !above[s.ppid]; s, ok = readStat(s.ppid) {
		above[s.ppid] = true
	}
	return above
}

// othersThan returns all living processes but these and our own.
func othersThan(pids map[int]bool) []stat {
	return slices.DeleteFunc(processes(), func(s stat) bool { return pids[s.pid] })
}

// descendants returns those of all that are among roots, or below one that is.
func descendants(all []stat, roots map[int]bool) (found []stat) {
	in := map[int]bool{}
	for grown := true; grown; { // a child may be listed before its parent
		grown = false
		for _, p := range all {
			if !in[p.pid] && (roots[p.pid] || in[p.ppid]) {
				in[p.pid] = true
				found = append(found, p)
				grown = true
			}
		}
	}
	return found
}

// killAll kills what find returns until two looks have found nothing, which it goes on with at least until then and at
// most for d. It returns how many processes there were and how many are left.
func killAll(find func() []stat, then time.Time, d time.Duration) (killed, left int) {
	all := map[identity]bool{}
	deadline := time.Now().Add(d)
	for empty := 0; empty < 2 && time.Now().Before(deadline); {
		found := find()
		for _, s := range found {
			all[s.identity] = true
			signalOne(s, unix.SIGKILL)
		}
		left = len(found)
		switch {
		case left > 0:
			empty = 0
			time.Sleep(2 * time.Millisecond) // for the kernel to take them down
		case time.Now().Before(then):
			time.Sleep(5 * time.Millisecond)
		default:
			empty++
		}
	}
	return len(all), left
}
