package proc

import (
	"os"
	"strconv"
	"syscall"
)

// Supported says what Run can do on this system.
func Supported() Support { return Support{} }

func groupAttr() *syscall.SysProcAttr    { return nil }
func confine(int, Spec)                  {}
func signalName(*os.ProcessState) string { return "" }
func peakOf(*os.ProcessState) int64      { return 0 }

// tree is the leader alone.
type tree struct {
	leader int
	peak   int64 // unknown here: stays 0
}

func newTree(leader int, _ string) *tree { return &tree{leader: leader} }

func (t *tree) measure(int64) (int64, bool) { return 0, false }

// terminate does nothing: a process without a console window cannot be asked to end.
func (t *tree) terminate() {}

func (t *tree) kill() {
	if p, err := os.FindProcess(t.leader); err == nil {
		_ = p.Kill() // it may have ended already
		_ = p.Release()
	}
}

func (t *tree) clear() (leftovers, survivors int) { return 0, 0 }

// Owner names the calling process.
func Owner() string { return strconv.Itoa(os.Getpid()) }

// OwnerDead is always false: this system has no name for a process that is never used again.
func OwnerDead(string) bool { return false }

// MakeMarker returns job: nothing reads it on this system.
func MakeMarker(job string) string { return job }

// Sweep does nothing on this system.
func Sweep() int { return 0 }
