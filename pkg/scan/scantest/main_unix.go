//go:build unix

package scantest

import (
	"os/exec"
	"syscall"
)

const termSignal = syscall.SIGTERM

func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
