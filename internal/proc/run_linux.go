package proc

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported says what Run can do on this system: all, but little without a /proc that shows this pid namespace.
func Supported() Support {
	p := ownProc()
	return Support{Group: true, Tree: p, Memory: p, Sweep: p}
}

// confine sets limits on the child that has just started; what it forks inherits them. All of it is best
// effort: a child without them is still watched.
func confine(pid int, spec Spec) {
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	if n := uint64(spec.MaxFileBytes); spec.MaxFileBytes > 0 {
		_ = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
	// When memory runs out the kernel is to take the scanner, not the agent or the host's own work.
	if ownProc() {
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("500"), 0)
	}
	renice(pid, spec.Nice)
}

// awaitExit closes exited when the leader has ended but is not reaped. The function it returns reaps it.
func awaitExit(cmd *exec.Cmd, exited chan<- struct{}) (reap func()) {
	go func() {
		for {
			var info unix.Siginfo
			err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
			if err != unix.EINTR {
				break
			}
		}
		close(exited)
	}()
	return func() { _ = cmd.Wait() } // the exit status is read from ProcessState
}

// peakOf returns the peak memory of the largest process, in bytes. The kernel counts the memory of whoever
// forked the child as the child's own until it calls exec, so a figure below ours says nothing.
func peakOf(s *os.ProcessState) int64 {
	var self unix.Rusage
	ru, ok := s.SysUsage().(*syscall.Rusage)
	if !ok || unix.Getrusage(unix.RUSAGE_SELF, &self) != nil || ru.Maxrss <= self.Maxrss {
		return 0
	}
	return int64(ru.Maxrss) << 10
}
