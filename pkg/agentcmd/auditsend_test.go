package agentcmd

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
)

// The audit log goes to the server as well, with the agent's token, up to the last line of the run; what the server says of
// it proves later that the agent's own copy is whole.
func TestTheAuditLogIsSent(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	h.env = append(h.env, "REDIVER_AUDIT_REMOTE_ENDPOINT="+srv.URL)
	path := filepath.Join(h.state, "audit.log")
	for range 2 {
		h.pipe(results(5), append(h.to(srv), "import", "-")...).want(ExitOK)
		heads, err := srv.Client().AuditHeads(t.Context())
		if err != nil || len(heads) != 1 || heads[0].Breaks != 0 {
			t.Fatalf("%+v %v", heads, err)
		}
		log, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page, err := srv.Client().AuditLines(t.Context(), heads[0].Agent, 0, 0)
		if err != nil || string(page.Data) != string(log) || !strings.Contains(string(log), string(audit.EventUploadCompleted)) {
			t.Errorf("the server has\n%s\nthe agent\n%s\n%v", page.Data, log, err)
		}
		h.run("audit", "verify", "--known", fmt.Sprintf("%d:%s", heads[0].Seq, heads[0].Chain)).want(ExitOK, "intact")
	}
	// A log that was cut is no longer what the server knows.
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, err := srv.Client().AuditHeads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(log), "\n")
	if err := os.WriteFile(path, []byte(strings.Join(lines[:len(lines)-3], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".head"); err != nil {
		t.Fatal(err)
	}
	h.run("audit", "verify").want(ExitOK, "intact")
	h.run("audit", "verify", "--known", fmt.Sprintf("%d:%s", head[0].Seq, head[0].Chain)).want(ExitNotWhole, "missing")
}

// A collector that is away costs the work nothing; the lines go with the next run.
func TestAuditCollectorIsAway(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	h.env = append(h.env, "REDIVER_AUDIT_REMOTE_ENDPOINT="+deadAddress(t))
	h.pipe(results(5), append(h.to(srv), "import", "-")...).want(ExitOK)
	if st := srv.Stats(""); st.Reports != 1 {
		t.Errorf("server: %+v", st)
	}
	h.env = append(h.env, "REDIVER_AUDIT_REMOTE_ENDPOINT="+srv.URL)
	h.pipe(results(5), append(h.to(srv), "import", "-")...).want(ExitOK)
	heads, err := srv.Client().AuditHeads(t.Context())
	if err != nil || len(heads) != 1 || heads[0].Breaks != 0 || int64(heads[0].Seq) != heads[0].Lines {
		t.Errorf("%+v %v", heads, err)
	}
	for _, r := range srv.Requests() {
		if r.Status == http.StatusConflict {
			t.Errorf("%+v", r)
		}
	}
}
