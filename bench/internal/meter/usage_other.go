//go:build !linux

package meter

import (
	"errors"
	"io/fs"
)

// Now returns a zero Usage on this platform.
func Now() Usage { return Usage{} }

// Load returns 0 on this platform.
func Load() float64 { return 0 }

// PeakMemory returns errors.ErrUnsupported on this platform.
func PeakMemory() (int64, error) { return 0, errors.ErrUnsupported }

// ResetPeak returns errors.ErrUnsupported on this platform.
func ResetPeak() error { return errors.ErrUnsupported }

func blocks(info fs.FileInfo) int64 { return info.Size() }
