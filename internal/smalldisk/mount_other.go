//go:build !linux

package smalldisk

import (
	"errors"
	"os/exec"
)

func mounter(string, string) (*exec.Cmd, error) { return nil, errors.ErrUnsupported }

func mount(string, int) error { return errors.ErrUnsupported }
