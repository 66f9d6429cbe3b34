package proc

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
)

// measure takes a sample and says whether the tree is over limit bytes. Resident memory counts shared pages
// once for each process, so a tree over the limit by that sum is judged by the proportional one.
func (t *tree) measure(limit int64) (sum int64, over bool) {
	members := t.members()
	for _, s := range members {
		sum += s.rss
	}
	t.peak = max(t.peak, sum)
	if limit <= 0 || sum <= limit {
		return sum, false
	}
	var share int64
	for _, s := range members {
		if pss, ok := proportional(s.pid); ok {
			share += pss
		} else {
			share += s.rss
		}
	}
	return sum, share > limit
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
