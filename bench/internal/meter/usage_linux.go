package meter

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Now returns the usage so far.
func Now() Usage {
	var u Usage
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) == nil {
		u.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	u.Written, _ = field("/proc/self/io", "write_bytes:") // 0 where the kernel does not count
	return u
}

// Load returns how many threads wanted to run at one time during the last minute, on the whole machine.
func Load() float64 {
	var load float64
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(b), &load) // 0 if the file has no number
	}
	return load
}

// PeakMemory returns the highest resident size since ResetPeak, in bytes.
func PeakMemory() (int64, error) {
	kb, err := field("/proc/self/status", "VmHWM:")
	return kb << 10, err
}

// ResetPeak makes the resident size of this moment the peak.
func ResetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// field returns the number behind a name in a file of /proc.
func field(path, name string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no %s", path, name)
}

func blocks(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
