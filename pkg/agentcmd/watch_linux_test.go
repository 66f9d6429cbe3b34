package agentcmd

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/watch"
)

// watched has an orphaned process, and a directory over its size, both watched; more goes into the watch section.
func watched(t *testing.T, more string) (h *home, running func() bool, dir string) {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<40))
	if err != nil {
		t.Fatal(err)
	}
	token := "300." + n.String() // seconds to sleep; no other process has this argument
	out, err := exec.Command("/bin/sh", "-c", "sleep "+token+" >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(out))
	running = func() bool {
		b, err := os.ReadFile("/proc/" + pid + "/cmdline")
		return err == nil && bytes.Contains(b, []byte(token))
	}
	t.Cleanup(func() {
		var n int
		if _, err := fmt.Sscan(pid, &n); err == nil && running() {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	})
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big"), bytes.Repeat([]byte("x"), 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	h = newHome(t, fmt.Sprintf("watch:\n  rules: [{name: sleepers, pattern: 'sleep %s', max_age: 1s}]\n  dirs: [{path: %s, max_bytes: 1048576, min_age: 1ms}]\n%s", token, dir, more))
	return h, running, dir
}

func TestWatchOnce(t *testing.T) {
	t.Parallel()
	h, running, dir := watched(t, "  enforce: true")
	big := filepath.Join(dir, "big")
	var look watch.Look
	testkit.Eventually(t, "the process is too old", func() bool {
		h.run("watch", "--once", "--dry-run", "-o", "json").want(ExitOK).decode(&look)
		return len(look.Findings) == 1
	})
	if f := look.Findings[0]; look.Enforce || f.Action != watch.WouldStop || f.Rule != "sleepers" || look.Dirs[0].Action != watch.WouldRemove {
		t.Errorf("got %+v, %+v", f, look.Dirs)
	}
	h.run("watch", "--once", "--dry-run").want(ExitOK, "dry run: ", "sleepers", "age 1s", "would stop", "would remove", dir)
	if _, err := os.Stat(big); err != nil || !running() {
		t.Fatalf("a dry run did something: running %v, %v", running(), err)
	}
	h.run("watch", "--once").want(ExitOK, "enforced: ", "terminated", "removed")
	if _, err := os.Stat(big); err == nil || running() {
		t.Errorf("running %v, %v", running(), err)
	}
	log := h.run("audit", "query", "-o", "json").want(ExitOK).out
	for _, typ := range []event.Type{event.ProcessStopped, event.CacheCleanup} {
		if !strings.Contains(log, `"`+string(typ)+`"`) {
			t.Errorf("the audit log has no %s:\n%s", typ, log)
		}
	}
}

func TestDaemonWatches(t *testing.T) {
	t.Parallel()
	h, running, _ := watched(t, "  enforce: true\n  interval: 1s")
	d := h.daemon()
	testkit.Eventually(t, "the daemon ends the process", func() bool { return !running() })
	testkit.Eventually(t, "a status with the watch", func() bool {
		s := d.status()
		return s.Watch != nil && s.Watch.Enforce && s.Watch.Stopped == 1 && s.Watch.Freed >= 2<<20
	})
	h.run("status").want(ExitOK, "watch (enforced): ", "1 ended")
	h.run("watch", "--once").want(ExitRuntime, "audit log", "use --dry-run")
	h.run("watch", "--once", "--dry-run").want(ExitOK, "0 findings")
	d.end()
}

func TestWatchConfiguration(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.run("watch", "--once").want(ExitConfig, "nothing to watch")
	h = newHome(t, "watch:\n  rules:\n    - {pattern: a, max_age: 1s}\n    - {pattern: '.*',\n       max_age: 1ms}\n  dirs: [{path: cache}]")
	h.run("validate", h.config).want(ExitConfig, `:8: watch.rules.1.pattern: ".*" matches every process`, ":8: watch.rules.1.max_age: 1ms", `watch.dirs.0.path: "cache" is not absolute`)
}

func TestWatchGoesOnUntilItIsAskedToEnd(t *testing.T) {
	t.Parallel()
	h, _, _ := watched(t, "  interval: 1s")
	p := h.start("watch")
	testkit.Eventually(t, "two looks", func() bool { return strings.Count(p.out.String(), "dry run: ") >= 2 })
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != ExitOK {
		t.Errorf("exit %d: %s", code, p.err.String())
	}
}
