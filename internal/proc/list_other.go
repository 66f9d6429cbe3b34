//go:build !linux

package proc

import (
	"context"
	"errors"
	"time"
)

// List is not supported on this system.
func List(int) ([]Process, bool, error) { return nil, false, errors.ErrUnsupported }

// Ancestors knows nothing on this system.
func Ancestors() map[int]bool { return nil }

// Command is empty on this system.
func (p Process) Command() string { return "" }

// Users knows nothing on this system.
func (p Process) Users() (real, effective int, ok bool) { return 0, 0, false }

// Marked is false on this system.
func (p Process) Marked() (marked, orphan bool) { return false, false }

// End is not supported on this system.
func (p Process) End(context.Context, time.Duration, func(Process) bool) (killed bool, err error) {
	return false, errors.ErrUnsupported
}

// Reap does nothing on this system.
func Reap() int { return 0 }
