package proc

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"time"
)

// fullLook says how often a sample reads every process. The others leave out those that are older than the leader, which
// are not of its tree; a full one makes good for a pid that was used again.
const fullLook = 40

// measure takes a sample. What it costs depends on what has started since the leader rather than on the host's size.
func (t *tree) measure() Usage {
	if t.looks++; t.looks%fullLook == 0 {
		t.older = nil
	}
	reap()
	all, skipped := readAll(t.older)
	t.last = t.among(all)
	t.older = t.olderThanLeader(all, skipped)
	u := Usage{Processes: len(t.last), CPU: t.cpu.add(t.last)}
	for _, s := range t.last {
		u.Memory += s.rss
		if !s.zombie {
			u.Threads += s.threads
		}
	}
	if t.leaf != nil {
		u.CPU = max(t.leaf.cpu(), u.CPU)
	}
	return u
}

// olderThanLeader returns the pids of the processes skipped already, and of those that began before the leader.
func (t *tree) olderThanLeader(all []stat, skipped []int) map[int]bool {
	var leader stat
	for _, s := range t.last {
		if s.pid == t.leader {
			leader = s
		}
	}
	older := make(map[int]bool, len(all)+len(skipped))
	for _, pid := range skipped {
		older[pid] = true
	}
	for _, s := range all {
		if s.start < leader.start {
			older[s.pid] = true
		}
	}
	return older
}

// cpuOfOthers returns the CPU time of the last sample without what the leader's own accounting holds.
func (t *tree) cpuOfOthers() time.Duration { return t.cpu.without(t.leader) }

// share returns the resident memory in the last sample, shared pages divided among those who share them.
func (t *tree) share() (sum int64) {
	for _, s := range t.last {
		if pss, ok := proportional(s.pid); ok {
			sum += pss
		} else {
			sum += s.rss
		}
	}
	return sum
}

// proportional returns the resident memory of a process with shared pages divided among those who share them.
func proportional(pid int) (int64, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, false
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		f := bytes.Fields(lines.Bytes())
		if len(f) == 3 && string(f[0]) == "Pss:" {
			kb, err := strconv.ParseInt(string(f[1]), 10, 64)
			return kb << 10, err == nil
		}
	}
	return 0, false
}
