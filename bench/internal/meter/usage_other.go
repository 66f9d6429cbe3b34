//go:build !linux

package meter

import (
	"errors"
	"io/fs"
)

// Now returns nothing: this platform is not asked.
func Now() Usage { return Usage{} }

// Load returns nothing: this platform is not asked.
func Load() float64 { return 0 }

// PeakMemory says that this platform does not tell.
func PeakMemory() (int64, error) { return 0, errors.ErrUnsupported }

// ResetPeak says that this platform does not tell.
func ResetPeak() error { return errors.ErrUnsupported }

func blocks(info fs.FileInfo) int64 { return info.Size() }
