package agentcmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/scan"
)

// script is a scanner in shell that says its process ID when it is ready.
type script struct {
	t   *testing.T
	def scan.Definition
	pid string // file
}

// newScript returns a scanner that first does what before says, and, when it is ready, what after says.
func newScript(t *testing.T, name, before, after string) *script {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	s := &script{t: t, def: fake(t, name), pid: filepath.Join(dir, "pid")}
	s.def.Command, s.def.VersionArgs, s.def.Env = filepath.Join(dir, name), nil, []string{"PIDFILE=" + s.pid}
	text := "#!/bin/sh\n" + before + "\necho $$ >$PIDFILE.new && mv $PIDFILE.new $PIDFILE\n" + after + "\n"
	if err := os.WriteFile(s.def.Command, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// ready waits until it runs.
func (s *script) ready() {
	s.t.Helper()
	testkit.Eventually(s.t, "a scanner that runs", func() bool {
		_, err := os.Stat(s.pid)
		return err == nil
	})
}

// alive says whether it runs still; Linux only.
func (s *script) alive() bool {
	s.t.Helper()
	pid, err := os.ReadFile(s.pid)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "cmdline"))
	return err == nil && len(b) > 0 // it is empty for a zombie
}
