//go:build unix

package proc

import "golang.org/x/sys/unix"

// renice makes the group of pid yield to the host's own work.
func renice(pid, nice int) {
	if nice != 0 {
		_ = unix.Setpriority(unix.PRIO_PGRP, pid, nice) // best effort
	}
}
