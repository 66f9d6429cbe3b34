package limits

import (
	"fmt"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/diskspace"
	"github.com/rediverio/sdk/pkg/resource"
)

// DefaultMinFreeDiskSpaceMB is the default of FileSystemLimits.MinFreeDiskSpaceMB.
const DefaultMinFreeDiskSpaceMB = 1000

// FileSystemLimits bound the disk space that the agent uses.
type FileSystemLimits struct {
	// MinFreeDiskSpaceMB is the free disk space in MiB below which no job begins: a Degradation pauses the agent, and a
	// program without one calls FreeSpace. Defaults to 1000; -1 disables it.
	MinFreeDiskSpaceMB int `json:"min_free_disk_space_mb" yaml:"min_free_disk_space_mb"`
}

// DefaultFileSystemLimits returns the defaults.
func DefaultFileSystemLimits() FileSystemLimits { return FileSystemLimits{}.WithDefaults() }

// WithDefaults returns l with its zero fields replaced by their defaults.
func (l FileSystemLimits) WithDefaults() FileSystemLimits {
	config.Default(&l.MinFreeDiskSpaceMB, DefaultMinFreeDiskSpaceMB)
	return l
}

// Validate reports every field that is out of range in one error.
func (l FileSystemLimits) Validate() error {
	v := config.New("limits.file_system")
	config.RangeOrOff(v, "min_free_disk_space_mb", l.WithDefaults().MinFreeDiskSpaceMB, 1, 1<<30)
	return v.Err()
}

// FreeSpace returns a *LimitError if the disk of dir has less than MinFreeDiskSpaceMB available. It fails if dir does not
// exist. It may block as long as the file system does, for example on a network share whose server is unreachable.
func (l FileSystemLimits) FreeSpace(dir string) error {
	floor := l.WithDefaults().MinFreeDiskSpaceMB
	if floor == -1 {
		return nil
	}
	free, _, err := diskspace.Of(dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if mb := free >> 20; mb < int64(floor) {
		return fmt.Errorf("disk of %s is nearly full: %w", dir,
			&LimitError{Field: "limits.file_system.min_free_disk_space_mb", Value: float64(mb), Bound: float64(floor)})
	}
	return nil
}

// Usage returns the free space of the fullest disk in m as Used. Used is zero while no disk has been measured.
func (l FileSystemLimits) Usage(m resource.SystemMetrics) Usage {
	known := Signals{}
	known.addDisks(m)
	return Usage{Name: "file_system.min_free_disk_space_mb", Used: known[MetricDiskFree], Limit: float64(l.WithDefaults().MinFreeDiskSpaceMB)}
}
