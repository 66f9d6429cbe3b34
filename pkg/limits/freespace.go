package limits

import (
	"fmt"

	"github.com/rediverio/sdk/internal/diskspace"
)

// FreeSpace returns nil when the disk of dir has MinFreeDiskSpaceMB free for us, and an *ErrLimit when it has
// not. It fails when dir does not exist. It may block as long as the file system does, for example on a network
// share whose server is gone.
func (l FileSystemLimits) FreeSpace(dir string) error {
	l = l.WithDefaults()
	if l.MinFreeDiskSpaceMB == -1 {
		return nil
	}
	free, _, err := diskspace.Of(dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if mb := free >> 20; mb < int64(l.MinFreeDiskSpaceMB) {
		return fmt.Errorf("disk of %s is nearly full: %w", dir,
			&ErrLimit{Field: "min_free_disk_space_mb", Value: float64(mb), Bound: float64(l.MinFreeDiskSpaceMB)})
	}
	return nil
}
