package agentcmd

import (
	"bytes"
	"crypto/rand"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// treeScript is a scanner that is deaf to TERM and starts a process of every kind that is hard to find again: in its
// group, in a session of its own, with its parent gone, without environment, and all of that. All have the token in their
// names.
const treeScript = `trap '' TERM
sleep=$(dirname "$0")/sleep-$TOKEN
$sleep 600 &
setsid $sleep 600 &
(setsid $sleep 600 &)
env -i setsid $sleep 600 &
(env -i setsid $sleep 600 &)
exec $sleep 600
`

// treeSize is how many processes it has.
const treeSize = 6

// tokened returns the living processes that have the token among their arguments or in their environment.
func tokened(t *testing.T, token string) (found []string) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // gone, or a zombie: empty
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.Contains(args, []byte(token)) || bytes.Contains(env, []byte(token)) {
			found = append(found, filepath.Base(dir)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}

// The agent is killed again and again while a scanner starts or runs, at every level of containment. When the next agent
// is up, which may have another level, no process of the scanner is left.
func TestNoScannerOutlivesTheAgentsRestart(t *testing.T) {
	t.Parallel()
	rounds := 100
	if testing.Short() {
		rounds = 12
	}
	token := "tok" + rand.Text()
	h := newHome(t, scanners(t, newTree(t, token)))
	killed := 0
	for i := range rounds {
		level := []string{"auto", "group", "subreaper", "pidns"}[i%4]
		h.env = []string{"REDIVER_SCAN_CONTAINMENT=" + level}
		d := h.daemon()
		if left := tokened(t, token); len(left) > 0 {
			t.Fatalf("round %d: left after a restart: %q", i, left)
		}
		dropJob(t, h.state, "tree", "tree", t.TempDir())
		scans := filepath.Join(h.state, "scans", "*")
		testkit.Eventually(t, "a scan", func() bool {
			dirs, err := filepath.Glob(scans)
			return err == nil && len(dirs) > 0
		})
		switch i / 4 % 3 { // at any moment: that is the point of this test
		case 0:
			testkit.Eventually(t, "all processes", func() bool { return len(tokened(t, token)) >= treeSize })
		case 1:
			testkit.Eventually(t, "a process", func() bool { return len(tokened(t, token)) > 0 })
		case 2:
			time.Sleep(time.Duration(mathrand.IntN(20)) * time.Millisecond)
		}
		d.signal(syscall.SIGKILL)
		if d.wait() != -1 {
			t.Fatal("the agent ended by itself")
		}
		killed += len(tokened(t, token))
		if err := os.RemoveAll(filepath.Join(h.state, "jobs")); err != nil { // or the next agent would begin anew
			t.Fatal(err)
		}
	}
	h.daemon().end()
	if left := tokened(t, token); len(left) > 0 {
		t.Errorf("left in the end: %q", left)
	}
	t.Logf("%d restarts, %d processes were left by killed agents, 0 by restarted ones", rounds, killed)
}

// newTree returns the scanner.
func newTree(t *testing.T, token string) scan.Definition {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip(err)
	}
	s := newScript(t, "tree", "", treeScript)
	s.def.Env = append(s.def.Env, "TOKEN="+token)
	if err := os.Symlink(sleep, filepath.Join(filepath.Dir(s.def.Command), "sleep-"+token)); err != nil {
		t.Fatal(err)
	}
	return s.def
}

// Two agents with state directories of their own leave each other's scanners alone, whatever contains them.
func TestAgentsDoNotSweepEachOther(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"auto", "group", "pidns"} {
		token := "tok" + rand.Text()
		first := newHome(t, scanners(t, newTree(t, token)))
		first.env = []string{"REDIVER_SCAN_CONTAINMENT=" + level}
		d := first.daemon()
		dropJob(t, first.state, "tree", "tree", t.TempDir())
		testkit.Eventually(t, "all processes", func() bool { return len(tokened(t, token)) >= treeSize })
		newHome(t).daemon().end()
		if left := tokened(t, token); len(left) != treeSize {
			t.Errorf("%s: another agent ended processes that are not its own: %q is left", level, left)
		}
		d.signal(syscall.SIGTERM)
		d.says("taking no more jobs")
		d.signal(syscall.SIGTERM) // stops the scanner
		d.wait()
		if left := tokened(t, token); len(left) > 0 {
			t.Errorf("%s: left after an orderly end: %q", level, left)
		}
	}
}

// The level in force is in the first event, in status, and with each scan; one that is not available is an error.
func TestContainmentIsTold(t *testing.T) {
	t.Parallel()
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))))
	h.env = []string{"REDIVER_SCAN_CONTAINMENT=group"}
	d := h.daemon()
	if got := d.status().Containment; got.Level != scan.ContainGroup {
		t.Errorf("status says %+v", got)
	}
	h.run("status", "--verbose").want(ExitOK, "scanners are contained by: group")
	dropJob(t, h.state, "good", "good", t.TempDir())
	testkit.Eventually(t, "a completed job", func() bool { return d.status().Agent.JobsCompleted == 1 })
	d.end()
	log, err := os.ReadFile(filepath.Join(h.state, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"agent_start", "scan_completed"} {
		told := false
		for line := range strings.Lines(string(log)) {
			told = told || strings.Contains(line, `"`+kind+`"`) && strings.Contains(line, `"containment":"group"`)
		}
		if !told {
			t.Errorf("no %s says it:\n%s", kind, log)
		}
	}
	h.env = []string{"REDIVER_SCAN_CONTAINMENT=job"} // Windows'
	h.run("scan", "--scanner", "good", t.TempDir()).want(ExitConfig, "containment job is not to be had")
	h.env = []string{"REDIVER_SCAN_CONTAINMENT=cgruop"}
	h.run("scan", "--scanner", "good", t.TempDir()).want(ExitConfig, `containment: "cgruop" is none of`)
}
