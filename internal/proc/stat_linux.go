package proc

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// identity names a process for good: a pid is used again, the pair is not.
type identity struct {
	pid   int
	start uint64 // clock ticks since boot
}

// stat is what /proc says of one process.
type stat struct {
	identity
	ppid, pgrp int
	session    int
	rss        int64 // bytes
	threads    int
	cpu        time.Duration // user and system time of its own
	waited     time.Duration // of the children that it has waited for, and of those they have waited for
	zombie     bool          // it has ended, and its parent has not noticed yet
}

// ownProc says whether /proc shows the pid namespace that we are in. Where it shows one above, as after unshare --pid without a
// mount, its numbers mean processes that have others here: to signal what it lists would hit whoever has that number.
var ownProc = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

// readStat reads one process; ok is false when there is none.
func readStat(pid int) (s stat, ok bool) {
	if !ownProc() {
		return stat{}, false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	return parseStat(b)
}

// parseStat reads a line of /proc/<pid>/stat. The process chooses its name, the second field, so the fields
// behind it are counted from the last ')'.
func parseStat(b []byte) (s stat, ok bool) {
	open, end := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return stat{}, false
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 22 || len(f[0]) != 1 {
		return stat{}, false
	}
	num := func(b []byte) int64 {
		n, err := strconv.ParseInt(string(b), 10, 64)
		ok = ok && err == nil
		return n
	}
	ok = true
	s = stat{
		identity: identity{int(num(b[:open])), uint64(num(f[19]))},
		ppid:     int(num(f[1])), pgrp: int(num(f[2])), session: int(num(f[3])), rss: num(f[21]) * pageSize,
		threads: int(num(f[17])), cpu: time.Duration(num(f[11])+num(f[12])) * tick,
		waited: time.Duration(num(f[13])+num(f[14])) * tick,
		zombie: f[0][0] == 'Z' || f[0][0] == 'X',
	}
	return s, ok
}

var pageSize = int64(os.Getpagesize())

// processes reads all processes but the zombies and our own.
func processes() []stat {
	return slices.DeleteFunc(withZombies(), func(s stat) bool { return s.zombie })
}

// withZombies reads all processes but our own.
func withZombies() []stat {
	all, _ := readAll(nil)
	return all
}

// readAll reads all processes but our own and those to skip, and says which of the latter are still there.
func readAll(skip map[int]bool) (all []stat, skipped []int) {
	if !ownProc() {
		return nil, nil
	}
	d, err := os.Open("/proc")
	if err != nil {
		return nil, nil
	}
	defer d.Close() // opened for reading
	names, _ := d.Readdirnames(-1)
	all = make([]stat, 0, max(len(names)-len(skip), 0))
	self := os.Getpid()
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == self {
			continue
		}
		if skip[pid] {
			skipped = append(skipped, pid)
			continue
		}
		if s, ok := readStat(pid); ok {
			all = append(all, s)
		}
	}
	return all, skipped
}
