package scan_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/scan"
)

// Check leaves no server and no directory, and a server does not run in the agent's working directory.
func TestCheckEndsItsServers(t *testing.T) {
	self, probe, dir := testkit.Must(os.Executable()), filepath.Join(t.TempDir(), "probe"), t.TempDir()
	s := serverKinds["stdio, answer"].server
	s.Command = []string{self}
	table, err := scan.NewTable(scan.Definition{
		Name: "served", Command: self, Server: s, Env: []string{serverEnv + "=stdio", serverProbeEnv + "=" + probe},
	})
	testkit.Check(t, err)
	r, err := scan.NewRunner(scan.Config{Table: table, Dir: dir, Timeout: time.Minute})
	testkit.Check(t, err)
	c := r.Check(t.Context(), "served")
	if c.Err != nil || len(c.Trials) == 0 || c.Trials[0].Err != nil {
		t.Fatalf("Check = %+v, want trials without errors", c)
	}
	var pid int
	var work string
	if _, err := fmt.Sscan(string(testkit.Must(os.ReadFile(probe))), &pid, &work); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill(%d, 0) after Check = %v, want ESRCH: the server should have ended", pid, err)
	}
	if left := testkit.Must(os.ReadDir(dir)); len(left) > 0 {
		t.Errorf("Check left %v in the runner's directory, want nothing", left)
	}
	if !strings.HasPrefix(work, dir) {
		t.Errorf("working directory of the server = %s, want one in %s", work, dir)
	}
}
