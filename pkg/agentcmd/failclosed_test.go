package agentcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// With audit.fail_closed no job starts while the audit log fails, the status shows it, and jobs resume when the log works again.
func TestNoJobBeginsThatTheAuditLogWouldNotTake(t *testing.T) {
	t.Parallel()
	srv := ingesttest.New(t)
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))), "audit: {fail_closed: true}\n")
	shut := func(s *daemonStatus) bool { // a busy host is throttled for other reasons, too
		return s.Agent.Resource.Throttled && strings.Contains(s.Agent.Resource.ThrottleReason, "audit.fail_closed")
	}
	h.env = append(h.env, "REDIVER_RESOURCE_SAMPLE_INTERVAL=50ms")
	d := h.daemon(h.to(srv)...)
	dropJob(t, h.state, "before", "good", t.TempDir())
	testkit.Eventually(t, "a report", func() bool { return srv.Stats("").Reports == 1 })

	moved := filepath.Join(t.TempDir(), "moved.log")
	if err := os.Rename(h.auditFile(), moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.auditFile(), 0o700); err != nil { // a directory cannot be opened as a log
		t.Fatal(err)
	}
	dropFile(t, h.state, "rubbish", `{{{`) // an event for the log
	testkit.Eventually(t, "a log that fails", func() bool { return shut(d.status()) })
	dropJob(t, h.state, "meanwhile", "good", t.TempDir())
	for range 5 { // each takes longer than a sample
		s := d.status()
		if !shut(s) || s.Agent.JobsCompleted != 1 || srv.Stats("").Reports != 1 {
			t.Fatalf("%+v", s.Agent)
		}
	}
	h.run("status").want(ExitRuntime, "NOT WELL", "no new jobs since", "audit.fail_closed is set and the audit log fails")
	if err := os.Remove(h.auditFile()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the job that waited", func() bool { return srv.Stats("").Reports == 2 })
	if shut(d.status()) {
		t.Error("the status still tells of a failing log")
	}
	d.end()
}
