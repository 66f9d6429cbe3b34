//go:build !unix

package scantest

import (
	"os/exec"
	"syscall"
)

const termSignal = syscall.SIGTERM

// detach does nothing: there is no session to leave.
func detach(*exec.Cmd) {}
