package agent_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// site is an agent that takes its jobs from an ingest server and sends its reports there.
type site struct {
	bed
	server *ingesttest.Server
}

func newSite(t testing.TB, edit ...func(*agent.Config)) *site {
	t.Helper()
	s := &site{server: ingesttest.New(t)}
	client := s.server.ClientWith(ingest.ClientConfig{Token: ingesttest.Token})
	source, err := ingest.NewSource(client, ingest.SourceConfig{Interval: 5 * time.Millisecond})
	must(t, err)
	s.start(t, append([]func(*agent.Config){func(c *agent.Config) {
		c.Source, c.Uploader, c.PollWait, c.RetryDelay = source, client, 50*time.Millisecond, 10*time.Millisecond
	}}, edit...)...)
	return s
}

// command queues a scan and returns its ID.
func (s *site) command(t testing.TB, kind, payload string) string {
	t.Helper()
	c, err := s.server.Store.Tenant(ingesttest.Tenant).AddCommand(ingest.Command{Type: kind, Payload: json.RawMessage(payload)})
	must(t, err)
	return c.ID
}

// asked waits until a request was answered whose path has this ending.
func (s *site) asked(t testing.TB, ending string) (found ingesttest.Request) {
	t.Helper()
	testkit.Eventually(t, "request for "+ending, func() bool {
		all := s.server.Requests()
		i := slices.IndexFunc(all, func(r ingesttest.Request) bool { return strings.HasSuffix(r.Path, ending) && r.Status == 200 })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

func TestCommandsOfAServerAreDone(t *testing.T) {
	s := newSite(t)
	id := s.command(t, "scan", `{"scanner": "fake", "target": "/src", "timeout_seconds": 90}`)
	s.asked(t, id+"/complete")
	got := s.scanner.Requests()
	if len(got) != 1 || got[0].Target != "/src" || got[0].Timeout != 90*time.Second || got[0].JobID != id {
		t.Errorf("scans %+v, want one per command", got)
	}
	if n := len(s.server.Findings("")); n != 1 {
		t.Errorf("%d findings at the server", n)
	}
	// The upload comes before the command is completed.
	var paths []string
	for _, r := range s.server.Requests() {
		if r.Method == "POST" {
			paths = append(paths, r.Path[strings.LastIndex(r.Path, "/")+1:])
		}
	}
	order := strings.Join(paths, " ")
	if !strings.HasPrefix(order, "ack") || !strings.Contains(order, " start ") || !strings.HasSuffix(order, " complete") || len(paths) != 4 {
		t.Errorf("requests in the order %q", order)
	}
}

func TestCommandsThatCannotBeDoneFail(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct{ kind, payload string }{
		{"reboot", `{}`}, {"scan", `{"scanner": 7}`}, {"scan", `{"scanner": "fake"}`}, {"scan", `{"scanner": "fake", "target": "/src", "timeout_seconds": -1}`},
	} {
		s.asked(t, s.command(t, c.kind, c.payload)+"/fail")
	}
	s.scanner.DoesNext(sdktest.Fails(errors.New("no such target")))
	s.asked(t, s.command(t, "scan", `{"scanner": "fake", "target": "/src"}`)+"/fail")
	if n := len(s.scanner.Requests()); n != 1 {
		t.Errorf("%d scans", n)
	}
}

func TestReturnedCommandIsDoneByTheSameAgent(t *testing.T) {
	s := newSite(t)
	s.scanner.DoesNext(sdktest.Fails(sdktest.Temporary("cannot fork")))
	s.asked(t, s.command(t, "scan", `{"scanner": "fake", "target": "/src"}`)+"/complete")
	if n := len(s.scanner.Requests()); n != 2 {
		t.Errorf("%d scans", n)
	}
}

// A truncated answer is an unexpected EOF for the client. The agent continues.
func TestAgentSurvivesATruncatedAnswerOfItsSource(t *testing.T) {
	s := newSite(t)
	s.server.Fail(ingesttest.Fault{Path: "/commands", Status: 503}, ingesttest.Fault{Path: "/commands", Cut: true}, ingesttest.Fault{Path: "/commands", Cut: true})
	s.asked(t, s.command(t, "scan", `{"scanner": "fake", "target": "/src"}`)+"/complete")
	if s.agent.Status().Phase != agent.PhaseRunning || len(s.agent.Status().Problems) == 0 {
		t.Errorf("Status() = %+v", s.agent.Status())
	}
}

// Only the findings are fake: the command comes over HTTP, a process is run, and a spool on disk is uploaded over HTTP.
func TestFromCommandToFindings(t *testing.T) {
	table, err := scan.NewTable(scantest.Definition(t, scantest.Results(3)))
	must(t, err)
	runner, err := scan.NewRunner(scan.Config{Table: table, Dir: t.TempDir()})
	must(t, err)
	spool := durable(t, filepath.Join(t.TempDir(), "chunks.db"))
	s := newSite(t, func(c *agent.Config) { c.Scanner, c.Pipeline.Spool = runner, spool })
	payload, err := json.Marshal(map[string]string{"scanner": scantest.Name, "target": t.TempDir()})
	must(t, err)
	s.asked(t, s.command(t, "scan", string(payload))+"/complete")
	if n := len(s.server.Findings("")); n != 3 {
		t.Errorf("%d findings at the server", n)
	}
	s.cancel()
	must(t, s.end(t))
}
