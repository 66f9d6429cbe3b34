package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestAgentRunsTheJobsOfADirectory(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		b, err := json.Marshal(job.Spec{Scanner: "fake", Target: "/src", TenantID: "acme", Payload: json.RawMessage(`{"any": "thing"}`)})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("scan no. %d.json", i)), b, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600))
	var b bed
	b.scanner.DoesNext(sdktest.Fails(errors.New("no such target")))
	d, err := job.NewDir(dir)
	must(t, err)
	defer d.Close()
	b.start(t, func(c *agent.Config) { c.Source = d })
	must(t, b.uploader.WaitFor(limit(t), 4))
	for _, p := range b.uploader.Parts() {
		if p.ReportID != report.CleanID(p.JobID) {
			t.Errorf("ReportID of job %q = %q, want %q", p.JobID, p.ReportID, report.CleanID(p.JobID))
		}
	}
	// The broken file is the newest and may be read after the last upload.
	testkit.Eventually(t, "two files in failed/", func() bool {
		failed, err := filepath.Glob(filepath.Join(dir, "failed", "*.json"))
		return err == nil && len(failed) == 2
	})
	b.cancel()
	must(t, b.end(t))
	if left, _ := filepath.Glob(filepath.Join(dir, "active", "*")); len(left) != 0 {
		t.Errorf("files in active/: %v, want none", left)
	}
}
