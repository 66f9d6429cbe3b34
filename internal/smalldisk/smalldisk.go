// Package smalldisk gives a test a file system of a few bytes, to be filled. It is for tests.
package smalldisk

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// dirEnv holds the directory that a child mounts a small file system on.
const dirEnv = "SMALLDISK_DIR"

// Dir runs the test that calls it once more, in a child with the flags, which may mount a file system, and returns "". There
// it returns a directory on a file system of so many bytes. Where neither is possible the test is skipped, and says why.
func Dir(t *testing.T, bytes int, flags ...string) (dir string) {
	t.Helper()
	if dir = os.Getenv(dirEnv); dir != "" {
		if err := mount(dir, bytes); errors.Is(err, os.ErrPermission) {
			t.Skipf("mount: %v", err)
		} else if err != nil {
			t.Fatalf("mount: %v", err)
		}
		return dir
	}
	cmd, err := mounter("^"+t.Name()+"$", dirEnv+"="+t.TempDir())
	if err != nil {
		t.Skipf("a small file system cannot be mounted on %s: %v", runtime.GOOS, err)
	}
	cmd.Args = append(cmd.Args, flags...)
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
