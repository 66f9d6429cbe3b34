//go:build unix && !linux

package proc

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// Supported says what Run can do on this system.
func Supported() Support { return Support{Group: true} }

func confine(pid int, spec Spec) { renice(pid, spec.Nice) }

// tree is the process group of the leader.
type tree struct{ leader int }

func newTree(leader int, _ string) *tree { return &tree{leader: leader} }

func (t *tree) account(*Result) {}
func (t *tree) release()        {}
func (t *tree) kill()           { _ = syscall.Kill(-t.leader, syscall.SIGKILL) }

func (t *tree) terminate() bool {
	_ = syscall.Kill(-t.leader, syscall.SIGTERM)
	return true
}

func (t *tree) clear() (leftovers, survivors int) {
	t.kill()
	return 0, 0
}

// Owner names the calling process.
func Owner() string { return strconv.Itoa(os.Getpid()) }

// OwnerDead is always false: this system has no name for a process that is never used again.
func OwnerDead(string) bool { return false }

// MakeMarker returns job: nothing reads it on this system.
func MakeMarker(job string) string { return job }

// Sweep does nothing on this system.
func Sweep(...string) (killed, left int) { return 0, 0 }

// peakOf returns the peak memory of the largest process, in bytes.
func peakOf(s *os.ProcessState) int64 {
	ru, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // the one that counts in bytes
		return int64(ru.Maxrss)
	}
	return int64(ru.Maxrss) << 10
}
