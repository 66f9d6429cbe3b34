package proc

import (
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// Supported says what Run can do on this system, with the Containment that Auto finds.
func Supported() Support { return Support{Group: true, Tree: true} }

func groupAttr() *syscall.SysProcAttr    { return nil }
func confine(int, Spec)                  {}
func signalName(*os.ProcessState) string { return "" }
func peakOf(*os.ProcessState) int64      { return 0 }

// tree is what is in the job object, or the leader alone where there is none.
type tree struct {
	leader int
	job    windows.Handle // 0: none
}

// terminate does nothing: a process without a console window cannot be asked to end.
func (t *tree) terminate() bool { return false }

// killed is the exit code of a process that was killed.
const killed = 1

func (t *tree) kill() {
	if t.job != 0 {
		_ = windows.TerminateJobObject(t.job, killed) // closing it ends what this does not
		return
	}
	if p, err := os.FindProcess(t.leader); err == nil {
		_ = p.Kill() // it may have ended already
		_ = p.Release()
	}
}

func (t *tree) clear() (leftovers, survivors int) {
	leftovers = int(t.counts().Active)
	if leftovers > 0 {
		t.kill()
	}
	for deadline := time.Now().Add(clearTime); t.counts().Active > 0 && time.Now().Before(deadline); {
		time.Sleep(2 * time.Millisecond)
	}
	return leftovers, int(t.counts().Active)
}

// account takes the CPU time of the whole job object.
func (t *tree) account(r *Result) {
	if c := t.counts(); c.Processes > 0 {
		r.UserCPU, r.SystemCPU = time.Duration(c.TotalUserTime)*100, time.Duration(c.TotalKernelTime)*100
	}
}

func (t *tree) release() {
	if t.job != 0 {
		_ = windows.CloseHandle(t.job) // which ends whatever is left
	}
}

// Owner names the calling process.
func Owner() string { return strconv.Itoa(os.Getpid()) }

// OwnerDead is always false: this system has no name for a process that is never used again.
func OwnerDead(string) bool { return false }

// MakeMarker returns job: nothing reads it on this system.
func MakeMarker(job string) string { return job }

// Sweep has nothing to do on this system: the processes of a job object end with the process that holds it.
func Sweep(...string) (killed, left int) { return 0, 0 }
