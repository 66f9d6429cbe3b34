package proc

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	tick      = time.Second / 100 // the unit of /proc for processor time and start, on every architecture of Go
	kthread   = 0x00200000        // PF_KTHREAD among the flags of a process
	maxArgs   = 4 << 10           // bytes read of a command line
	maxStatus = 8 << 10           // bytes read of /proc/<pid>/status
)

// List returns the processes of this pid namespace, also zombies, the kernel's and the caller; at most most of them,
// and cut says that there are more.
func List(most int) (all []Process, cut bool, err error) {
	if !ownProc() {
		return nil, false, errors.New("/proc is not that of this pid namespace")
	}
	up, err := uptime()
	if err != nil {
		return nil, false, err
	}
	d, err := os.Open("/proc")
	if err != nil {
		return nil, false, err
	}
	defer d.Close() // opened for reading
	for {
		names, err := d.Readdirnames(1024)
		if errors.Is(err, io.EOF) {
			return all, false, nil
		}
		if err != nil {
			return all, false, err
		}
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			if len(all) >= most {
				return all, true, nil
			}
			if p, ok := readProcess(pid, up); ok {
				all = append(all, p)
			}
		}
	}
}

func readProcess(pid int, up time.Duration) (Process, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, false
	}
	return parseProcess(b, up)
}

// parseProcess reads a line of /proc/<pid>/stat, as parseStat does, and more of it.
func parseProcess(b []byte, up time.Duration) (Process, bool) {
	s, ok := parseStat(b)
	if !ok {
		return Process{}, false
	}
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || open > end {
		return Process{}, false
	}
	f := bytes.Fields(b[end+1:])
	flags, err := strconv.ParseUint(string(f[6]), 10, 64)
	if err != nil {
		return Process{}, false
	}
	return Process{
		PID: s.pid, Start: s.start, Parent: s.ppid, Name: string(b[open+1 : end]), Age: max(up-time.Duration(s.start)*tick, 0),
		CPU: s.cpu, Memory: s.rss, Zombie: s.zombie, Kernel: flags&kthread != 0,
	}, true
}

// uptime returns how long this boot is ago.
func uptime() (time.Duration, error) {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(b), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	return time.Duration(seconds * float64(time.Second)), err
}

// Command returns the command line, its first 4 KiB, with spaces between the arguments; empty when it cannot be read.
func (p Process) Command() string {
	b := p.read("cmdline", maxArgs)
	return strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ")
}

// Users returns the real and the effective user of the process.
func (p Process) Users() (real, effective int, ok bool) {
	for line := range bytes.Lines(p.read("status", maxStatus)) {
		rest, found := bytes.CutPrefix(line, []byte("Uid:"))
		if !found {
			continue
		}
		f := strings.Fields(string(rest))
		if len(f) < 2 {
			return 0, 0, false
		}
		real, err := strconv.Atoi(f[0])
		effective, eerr := strconv.Atoi(f[1])
		return real, effective, err == nil && eerr == nil
	}
	return 0, 0, false
}

// Marked says whether the process has a marker, or the mark of one whose environment was cleared, and whether the one who
// started it is known to be dead: then nobody else looks after it.
func (p Process) Marked() (marked, orphan bool) {
	if owner, _, ok := strings.Cut(markerOf(p.PID), "/"); ok {
		return true, OwnerDead(owner)
	}
	return readMark(p.PID) != 0, false
}

// Reap waits for the orphans of this process that have ended, and returns how many there were: none unless it is process 1
// or a subreaper. While a child of Run or Start runs, this is done for it.
func Reap() int { return reap() }

func (p Process) read(name string, most int64) []byte {
	f, err := os.Open("/proc/" + strconv.Itoa(p.PID) + "/" + name)
	if err != nil {
		return nil
	}
	defer f.Close()                             // opened for reading
	b, _ := io.ReadAll(io.LimitReader(f, most)) // what was read before an error counts
	return b
}
