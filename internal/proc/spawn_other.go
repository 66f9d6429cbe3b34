//go:build !linux && !windows

package proc

import "os/exec"

func spawn(cmd *exec.Cmd, spec Spec) (*tree, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return newTree(cmd.Process.Pid, spec.Marker), nil
}
