package crashtest

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// smallDiskEnv holds the directory that a child mounts a small file system on.
const smallDiskEnv = "CRASHTEST_SMALL_DISK"

// smallDisk runs the test that calls it once more, in a child that may mount a file system, and returns "". There it
// returns a directory on a file system of so many bytes. Where neither is possible the test is skipped, and says why.
func smallDisk(t *testing.T, bytes int) (dir string) {
	t.Helper()
	if dir = os.Getenv(smallDiskEnv); dir != "" {
		if err := mountSmall(dir, bytes); errors.Is(err, os.ErrPermission) {
			t.Skipf("mount: %v", err)
		} else if err != nil {
			t.Fatalf("mount: %v", err)
		}
		return dir
	}
	cmd, err := mounter("^"+t.Name()+"$", smallDiskEnv+"="+t.TempDir())
	if err != nil {
		t.Skipf("a small file system cannot be mounted on %s: %v", runtime.GOOS, err)
	}
	cmd.Args = append(cmd.Args, "-rounds", strconv.Itoa(*rounds), "-seed", strconv.FormatUint(*seed, 10))
	cmd.Stderr = os.Stderr // progress
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Errorf("%v\n%s", err, out)
	case err != nil:
		t.Skipf("this system lets nobody but root mount a file system: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	default:
		t.Logf("%s", out)
	}
	return ""
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
	dir := smallDisk(t, tortureBytes)
	if dir == "" {
		return
	}
	torture(t, max(1, *rounds/10), dir)
}

// tortureBytes is the size of a disk that has room for the reserve, which is 8 MiB, and a few reports.
const tortureBytes = 12 << 20
