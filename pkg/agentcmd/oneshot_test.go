package agentcmd

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// An interrupted scan ends its scanner and says that it was interrupted; a second signal does not wait.
func TestScanIsInterrupted(t *testing.T) {
	t.Parallel()
	slow := newScript(t, "slow", "", "exec sleep 600")
	h := newHome(t, scanners(t, slow.def))
	p := h.start("scan", "--scanner", "slow", t.TempDir())
	slow.ready()
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != ExitRuntime || !p.err.contains("stopping scanners") || !p.err.contains("interrupted") {
		t.Errorf("exit %d\n%s", code, p.err.String())
	}
	if runtime.GOOS == "linux" && slow.alive() {
		t.Error("the scanner runs still")
	}
	if q := h.queue(); len(q) != 0 {
		t.Errorf("queue: %v", q)
	}

	deaf := newScript(t, "deaf", "trap '' TERM INT", "while :; do sleep 1; done")
	h = newHome(t, "scan: {grace: 1h}", scanners(t, deaf.def))
	p = h.start("scan", "--scanner", "deaf", t.TempDir())
	deaf.ready()
	p.signal(syscall.SIGINT)
	p.says("stopping scanners")
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != ExitRuntime || !p.err.contains("quit") {
		t.Errorf("exit %d\n%s", code, p.err.String())
	}
	h.daemon().end() // which ends the scanner
}

// A command that takes longer than two seconds shows progress, in plain lines without a terminal.
func TestProgress(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	srv.Fail(ingesttest.Fault{Hang: true})
	r := h.pipe(results(5), append(h.to(srv), "import", "--wait", "2500ms", "-")...).want(ExitUnavailable)
	if !regexp.MustCompile(`(?m)^\[\ds\] 1 of 1 jobs done; uploading: 0 parts done, 1 to go`).MatchString(r.err) || strings.Contains(r.err, "\x1b") {
		t.Errorf("progress: %q", r.err)
	}
}

// The findings of the agent's own server are read while a daemon writes them.
func TestFindingsBesideADaemon(t *testing.T) {
	t.Parallel()
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))))
	d := h.daemon()
	dropJob(t, h.state, "one", "good", t.TempDir())
	testkit.Eventually(t, "three findings", func() bool { return len(h.found()) == 3 })
	d.end()
}

// The ID in a job file is not trusted: it is mapped, and nothing is created outside of the state directory.
func TestHostileJobFiles(t *testing.T) {
	t.Parallel()
	srv := ingesttest.New(t)
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(1))))
	d := h.daemon(h.to(srv)...)
	dropFile(t, h.state, "odd näme $(id)", `{"scanner":"good","target":"/"}`)
	dropFile(t, h.state, "id", `{"id":"../../../etc/passwd\u0000","tenant":"../x","scanner":"good","target":"/"}`)
	dropFile(t, h.state, "scanner", `{"scanner":"../../bin/sh","target":"/"}`)
	dropFile(t, h.state, "target", `{"scanner":"good","target":"--output=/tmp/x"}`)
	dropFile(t, h.state, "huge", `{"scanner":"good","target":"`+strings.Repeat("x", 2<<20)+`"}`)
	outside := filepath.Join(filepath.Dir(h.state), "elsewhere.json")
	write(t, outside, `{"scanner":"good","target":"/"}`)
	if err := os.Symlink(outside, filepath.Join(h.state, "jobs", "link.json")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "three failed jobs", func() bool { return len(h.jobFiles("failed")) == 6 })
	testkit.Eventually(t, "two reports", func() bool { return srv.Stats("").Reports == 2 })
	testkit.Eventually(t, "no job", func() bool { return len(d.status().Agent.Jobs) == 0 })
	for _, f := range srv.Findings("") {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`).MatchString(f.ReportID) {
			t.Errorf("report ID %q", f.ReportID)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("the job behind a link: %v", err)
	}
	d.end()
}
