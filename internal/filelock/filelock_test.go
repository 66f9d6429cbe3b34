package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAcquireNamesTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if _, err := Acquire(path); !errors.As(err, &held) || held.PID != os.Getpid() || held.Path != path {
		t.Fatalf("second Acquire(%s) = %v, want a *HeldError with Path %[1]s and PID %d", path, err, os.Getpid())
	}
	if err := errors.Join(l.Release(), l.Release()); err != nil {
		t.Fatalf("Release, called twice: %v", err)
	}
	again, err := Acquire(path)
	if err != nil {
		t.Fatalf("Acquire after Release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}
