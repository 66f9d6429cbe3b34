package crashtest

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

// fullEnv holds the directory that a child of TestFullDisk mounts a small file system on.
const fullEnv = "CRASHTEST_FULL"

// inSmallDisk runs the test that calls it again, in a child that may mount a small file system.
func inSmallDisk(t *testing.T) {
	t.Helper()
	cmd, err := mounter("^"+t.Name()+"$", fullEnv+"="+t.TempDir())
	if err != nil {
		t.Skipf("a small file system cannot be mounted on %s: %v", runtime.GOOS, err)
	}
	cmd.Args = append(cmd.Args, "-rounds", strconv.Itoa(*rounds), "-seed", strconv.FormatUint(*seed, 10))
	cmd.Stderr = os.Stderr // progress
	out, err := cmd.Output()
	if err != nil {
		if reason := refusedMount(err); reason != nil {
			t.Skipf("this system lets nobody but root mount a file system: %v", reason)
		}
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
}

// occupy takes all of the disk that is free, to the last byte.
func occupy(t *testing.T, junk string) {
	t.Helper()
	f, err := os.OpenFile(junk, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}

// The same lives and deaths as in TestTorture, with the agent's store on a disk that is full most of the time.
func TestTortureOnFullDisk(t *testing.T) {
	dir := os.Getenv(fullEnv)
	if dir == "" {
		inSmallDisk(t)
		return
	}
	if err := mountSmall(dir, tortureBytes); err != nil {
		t.Fatalf("mount: %v", err)
	}
	torture(t, max(1, *rounds/10), dir)
}

// tortureBytes is the size of a disk that has room for the reserve, which is 8 MiB, and a few reports.
const tortureBytes = 12 << 20
