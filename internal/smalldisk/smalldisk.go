// Package smalldisk gives a test a small file system, to be filled. It is for tests.
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

// Dir runs the calling test again in a child process with the given flags, and returns "". In the child, which may mount file
// systems, it returns a directory on a file system of the given size. If that is not possible, it skips the test.
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
		t.Skipf("only root may mount a file system on this system: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	default:
		t.Logf("%s", out)
	}
	return ""
}
