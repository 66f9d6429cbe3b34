//go:build unix

package logfile

import (
	"os"
	"syscall"
)

// openFlags keeps the log from being a symbolic link to somewhere else, and a FIFO from blocking.
const OpenFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// syncDir makes a created or renamed name survive a power cut. A file system that cannot do that is no error.
func SyncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// makePrivate takes the file away from everyone but its owner, whatever mode it was created with long ago.
func MakePrivate(f *os.File, mode os.FileMode) error {
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	return f.Chmod(0o600)
}

func Truncate(f *os.File, size int64) error { return f.Truncate(size) }
