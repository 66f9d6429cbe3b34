// Package filelock holds a file against a second process. The kernel drops the lock when the process ends,
// however it ends, so no stale lock is left behind.
package filelock

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Lock is a held lock.
type Lock struct{ f *os.File }

// HeldError says that another process, or this one, holds the lock already.
type HeldError struct {
	Path string // of the lock file
	PID  int    // of the holder; 0 where unknown
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is held by another process", e.Path)
	}
	return fmt.Sprintf("%s is held by process %d", e.Path, e.PID)
}

// Acquire takes the lock of the file at path, which is created with mode 0600 and stays when the lock is
// released. It does not wait: a lock that is taken gives a *HeldError.
func Acquire(path string) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	if err != nil || held {
		pid := 0
		if held {
			b, _ := io.ReadAll(io.LimitReader(f, 20)) // best effort: the holder is named where it can be read
			pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
			err = &HeldError{path, pid}
		}
		return nil, closing(err, f)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // best effort: a full disk has no room for a name
	}
	return &Lock{f}, nil
}

// Release gives the lock up. Calling it twice, or on nil, does nothing.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}

func closing(err error, f *os.File) error {
	if cerr := f.Close(); cerr != nil && err == nil {
		return cerr
	}
	return err
}
