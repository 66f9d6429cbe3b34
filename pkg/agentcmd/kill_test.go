package agentcmd

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// severalParts is plainConfig with small parts, so that a report has several, which are uploaded one after the other, a
// delay apart.
func severalParts(delay string) string {
	return strings.Replace(plainConfig, "upload_delay: -1", "workers: 1, upload_delay: "+delay, 1) +
		"chunk: {min_findings_for_chunking: 10, max_findings_per_chunk: 10}\n"
}

// An agent is killed at ten points of the path of a report. Whatever was submitted arrives once; what was not is nowhere.
func TestKillNineAtTenPoints(t *testing.T) {
	const n = 45 // findings, five parts
	for _, c := range []struct {
		point           string
		config          string
		kill            func(v *victim)
		reports, parts  int64
		findings, again int64 // again: findings that a later report has, too
		resent          int64 // parts that come again, at most
	}{
		{point: "scan-started", config: "fake", reports: 1, parts: 1, findings: 3, kill: func(v *victim) {
			v.job("one", "good")
			v.env = []string{killAt + "=scan_started"}
			if code := v.start(v.flags("run")...).wait(); code != -1 {
				v.t.Fatalf("exit %d", code)
			}
			v.env = nil
		}},
		{point: "scan-completed", config: "fake", reports: 1, parts: 1, findings: 3, resent: 1, kill: func(v *victim) {
			v.diesAt("scan_completed", "", "scan", "--scanner", "good")
		}},
		{point: "chunk-created", reports: 1, parts: 5, findings: n, resent: 1, kill: func(v *victim) {
			v.srv.Fail(ingesttest.Fault{Hang: true})
			v.diesAt("chunk_created", results(n), "import")
			v.srv.Heal()
		}},
		{point: "upload-started", reports: 1, parts: 5, findings: n, resent: 1, kill: func(v *victim) {
			v.diesAt("upload_started", results(n), "import")
		}},
		{point: "before-the-server-stores", reports: 1, parts: 5, findings: n, kill: func(v *victim) {
			v.diesAtUpload(results(n), false)
		}},
		{point: "before-the-server-answers", reports: 1, parts: 5, findings: n, resent: 1, kill: func(v *victim) {
			v.diesAtUpload(results(n), true)
			if st := v.srv.Stats(""); st.Parts != 1 || st.Incomplete != 1 || st.Findings != 0 {
				v.t.Errorf("half a report is visible: %+v", st)
			}
		}},
		{point: "chunk-uploaded", reports: 1, parts: 5, findings: n, resent: 1, kill: func(v *victim) {
			v.diesAt("chunk_uploaded", results(n), "import")
		}},
		{point: "upload-completed", reports: 1, parts: 5, findings: n, kill: func(v *victim) {
			v.diesAt("upload_completed", results(n), "import")
		}},
		{point: "report-not-sealed", config: "big", reports: 1, parts: -1, findings: bigFindings, kill: func(v *victim) {
			v.diesUnsealed()
		}},
		{point: "drain", config: "fake", reports: 3, parts: 3, findings: 6, again: 3, resent: 1, kill: func(v *victim) {
			v.diesDraining()
		}},
	} {
		t.Run(c.point, func(t *testing.T) {
			t.Parallel()
			config := ""
			switch c.config {
			case "fake":
				config = scanners(t, fake(t, "good", scantest.Results(3)), fake(t, "slow", scantest.Results(3), scantest.Hang()))
			}
			v := &victim{home: newHome(t, config), t: t, srv: ingesttest.New(t)}
			if c.config == "" {
				write(t, v.config, severalParts("-1"))
			}
			v.url = v.srv.URL
			c.kill(v)
			v.recover(c.reports)
			st := v.srv.Stats("")
			if st.Reports != c.reports || st.Incomplete != 0 || st.Duplicates != c.again || c.parts >= 0 && st.Parts != c.parts {
				t.Errorf("server: %+v", st)
			}
			if got := int64(len(v.srv.Findings(""))); st.Findings != c.findings || got != c.findings {
				t.Errorf("%d findings, %d in the statistics, want %d", got, st.Findings, c.findings)
			}
			if st.Repeated > c.resent {
				t.Errorf("%d parts were sent again, want at most %d", st.Repeated, c.resent)
			}
			v.intact()
		})
	}
}

// bigFindings make a report whose parts go to disk long before its end.
const bigFindings = 16000

// bigReport has findings that do not compress.
func bigReport() string {
	var b strings.Builder
	for i := range bigFindings {
		if i > 0 {
			b.WriteByte(',')
		}
		var noise strings.Builder
		for range 20 {
			noise.WriteString(rand.Text())
		}
		fmt.Fprintf(&b, `{"ruleId":"r","message":{"text":"%d %s"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"f%d"}}}]}`, i, noise.String(), i)
	}
	return document(b.String())
}

// diesUnsealed kills an import when parts of its report are on disk and the report is not whole: nothing of it may be
// seen. Then the import is made again.
func (v *victim) diesUnsealed() {
	v.t.Helper()
	path := v.file(bigReport())
	p := v.start(v.flags("import", path)...)
	wal := filepath.Join(v.state, "chunks.db-wal")
	testkit.Eventually(v.t, "parts on disk", func() bool {
		st, err := os.Stat(wal)
		return err == nil && st.Size() > 2<<20
	})
	p.signal(syscall.SIGKILL)
	if code := p.wait(); code != -1 {
		v.t.Fatalf("exit %d", code)
	}
	if q := v.queue(); len(q) != 0 {
		v.t.Errorf("a report that was not submitted is in the queue: %v", q)
	}
	d := v.daemon(v.flags()...)
	d.end()
	if got := v.srv.Requests(); len(got) != 0 {
		v.t.Errorf("something of it was sent: %d requests", len(got))
	}
	v.run(v.flags("import", path)...).want(ExitOK)
}

// diesDraining kills a daemon that was asked to end and waits for a job: one report was under way to the server, the
// other job had none.
func (v *victim) diesDraining() {
	v.t.Helper()
	v.srv.Fail(ingesttest.Fault{Hang: true})
	d := v.daemon(v.flags()...)
	v.job("slow", "slow")
	testkit.Eventually(v.t, "a scanner that runs", func() bool { return len(d.status().Agent.Jobs) == 1 })
	v.job("good", "good")
	testkit.Eventually(v.t, "an upload under way", func() bool { return v.srv.Pending() == 0 })
	d.signal(syscall.SIGTERM)
	d.says("taking no more jobs")
	d.signal(syscall.SIGKILL)
	if code := d.wait(); code != -1 {
		v.t.Fatalf("exit %d", code)
	}
	// Both jobs are done again: neither was acknowledged. The report of one was submitted before, and its second scan is
	// a new revision. The slow one ends this time.
	write(v.t, v.config, plainConfig+scanners(v.t, fake(v.t, "good", scantest.Results(3)), fake(v.t, "slow", scantest.Results(3))))
}

// Standard input is copied to a file for an import, which does not outlive the agent.
func TestKilledImportLeavesNoCopy(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.env = []string{killAt + "=job_started"}
	cmd := h.command("import", "-")
	cmd.Stdin = strings.NewReader(results(9))
	p := h.launch(cmd)
	if code := p.wait(); code != -1 {
		t.Fatalf("exit %d\n%s", code, p.err.String())
	}
	if left, err := filepath.Glob(filepath.Join(h.state, "stdin*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A scanner does not outlive its agent's restart, not even when the agent was killed.
func TestRestartEndsLeftScanners(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says whose child a process was")
	}
	t.Parallel()
	slow := newScript(t, "slow", "", "exec sleep 600")
	h := newHome(t, scanners(t, slow.def))
	p := h.start("scan", "--scanner", "slow", t.TempDir())
	slow.ready()
	p.signal(syscall.SIGKILL)
	p.wait()
	h.daemon().end()
	testkit.Eventually(t, "the end of the scanner", func() bool { return !slow.alive() })
}
