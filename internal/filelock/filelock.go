// Package filelock locks a file against a second process. The kernel releases the lock when the process ends, also after
// kill -9, so there are no stale locks.
package filelock

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Lock is an acquired lock. A nil *Lock is a lock that was released.
type Lock struct{ f *os.File }

// HeldError is returned by Acquire if the lock is held already, by another process or by this one.
type HeldError struct {
	Path string // Path is the lock file.
	PID  int    // PID is the process that holds the lock; 0 if unknown.
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is held by another process", e.Path)
	}
	return fmt.Sprintf("%s is held by process %d", e.Path, e.PID)
}

// Acquire locks the file at path, and creates it with mode 0600 if it does not exist. The file remains when the lock is
// released, because removing it would let two processes lock two files of one name. Acquire does not wait: if the lock is
// held, it returns a *HeldError.
func Acquire(path string) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	if err != nil || held {
		if held {
			b, _ := io.ReadAll(io.LimitReader(f, 20)) // best effort: without it the holder is unknown
			pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
			err = &HeldError{path, pid}
		}
		_ = f.Close() // err is the reason
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // best effort: the lock works on a full disk too
	}
	return &Lock{f}, nil
}

// Release releases the lock. On a nil Lock, and when called again, it does nothing and returns nil.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}
