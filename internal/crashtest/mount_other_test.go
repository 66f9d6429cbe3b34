//go:build !linux

package crashtest

import (
	"errors"
	"os/exec"
)

func mounter(string, string) (*exec.Cmd, error) { return nil, errors.ErrUnsupported }

func mountSmall(string, int) error { return errors.ErrUnsupported }
