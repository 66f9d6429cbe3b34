//go:build !linux

package proc

import "os/exec"

// awaitExit closes exited when the leader has ended. It is reaped by then: its process group could in theory
// be given away before it is killed, which no call of this system prevents.
func awaitExit(cmd *exec.Cmd, exited chan<- struct{}) (reap func()) {
	go func() {
		_ = cmd.Wait() // the exit status is read from ProcessState
		close(exited)
	}()
	return func() {}
}
