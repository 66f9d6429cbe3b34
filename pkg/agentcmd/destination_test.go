package agentcmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
)

// Receipts of the agent's own server do not count for the platform's: a report goes to both.
func TestImportGoesToEachServerOnce(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	file := filepath.Join(t.TempDir(), "a.sarif")
	if err := os.WriteFile(file, []byte(results(5)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run("import", "-o", "json", file).want(ExitOK)
	for i, want := range []int{5, 0} {
		s := h.run(append(h.to(srv), "import", "-o", "json", file)...).want(ExitOK).summary()
		if s.Created != want || s.Jobs[0].Known != (want == 0) {
			t.Errorf("import %d to the server: %d new findings, want %d: %+v", i+1, s.Created, want, s.Jobs[0])
		}
	}
}

func TestNonsenseOnTheCommandLine(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.run("findings", "--limit", "-3").want(ExitUsage, "--limit -3 is negative")
	h.run("import", "").want(ExitUsage, "name is empty")
	h.run("status").want(ExitUnavailable, "no agent answers", "same --state-dir")
}
