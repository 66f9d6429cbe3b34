package proc

import (
	"bytes"
	"os"
	"strconv"
)

// oomKills returns how many processes of the system the kernel has killed for lack of memory, those in containers
// included; 0 where it does not say.
func oomKills() uint64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if text, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
