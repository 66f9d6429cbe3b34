package limits

import (
	"fmt"
	"sync/atomic"

	"github.com/rediverio/sdk/internal/diskspace"
)

// FreeSpace returns nil when the disk of dir has MinFreeDiskSpaceMB free for us, and an *ErrLimit when it has
// not. It fails when dir does not exist. It may block as long as the file system does, for example on a network
// share whose server is gone.
func (l FileSystemLimits) FreeSpace(dir string) error { return NewSpace(l, dir).Check() }

// Space watches the free space of one disk, and counts. Its methods may be called concurrently.
type Space struct {
	dir     string
	floor   int // MiB; -1: off
	free    atomic.Int64
	refused atomic.Int64
}

// NewSpace returns the space of the disk of dir, to be kept free as l says.
func NewSpace(l FileSystemLimits, dir string) *Space {
	return &Space{dir: dir, floor: l.WithDefaults().MinFreeDiskSpaceMB}
}

// Check looks at the disk: see FileSystemLimits.FreeSpace.
func (s *Space) Check() error {
	if s.floor == -1 {
		return nil
	}
	free, _, err := diskspace.Of(s.dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	mb := free >> 20
	s.free.Store(mb)
	if mb < int64(s.floor) {
		s.refused.Add(1)
		return fmt.Errorf("disk of %s is nearly full: %w", s.dir,
			&ErrLimit{Field: "min_free_disk_space_mb", Value: float64(mb), Bound: float64(s.floor)})
	}
	return nil
}

// Usage returns the free space at the last Check as Used, and how many calls of Check found too little as Refused.
func (s *Space) Usage() Usage {
	return Usage{Name: "file_system.min_free_disk_space_mb", Used: float64(s.free.Load()), Limit: float64(s.floor), Refused: s.refused.Load()}
}
