package scan_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/pool"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

const (
	serverEnv      = "REDIVER_TEST_SERVER"
	serverProbeEnv = "REDIVER_TEST_SERVER_PROBE" // a file to which a server writes its process number and working directory
)

// beServer makes this process the server that a test has started. It answers each scan with one finding that names its
// process, so that a test sees which scans shared one.
func beServer(how string) {
	if f := os.Getenv(serverProbeEnv); f != "" {
		dir, _ := os.Getwd()
		_ = os.WriteFile(f, fmt.Appendf(nil, "%d %s", os.Getpid(), dir), 0o600) // a test fails without it
	}
	scanTarget := func(target, output string) (json.RawMessage, error) {
		switch name := filepath.Base(target); {
		case strings.HasPrefix(name, "crash"):
			os.Exit(3)
		case strings.HasPrefix(name, "hang"):
			time.Sleep(time.Hour)
		case strings.HasPrefix(name, "refuse"):
			return nil, errors.New("not a target for me")
		}
		sarif := fmt.Sprintf(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"served"}},"results":[{"ruleId":"pid-%d","message":{"text":"found by a server"},`+
			`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.go"},"region":{"startLine":1}}}]}]}]}`, os.Getpid())
		if output != "" {
			return json.RawMessage("null"), os.WriteFile(output, []byte(sarif), 0o600)
		}
		return json.RawMessage(sarif), nil
	}
	var params struct{ Target, Output string }
	if how == "http" {
		ready := time.Now().Add(300 * time.Millisecond)
		panic(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				if time.Now().Before(ready) {
					http.Error(w, "loading rules", http.StatusServiceUnavailable)
				}
				return
			}
			b, _ := io.ReadAll(r.Body)
			if json.Unmarshal(b, &params) != nil || r.URL.Path != "/scan" {
				http.Error(w, "want a target", http.StatusBadRequest)
				return
			}
			out, err := scanTarget(params.Target, params.Output)
			if err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
			_, _ = w.Write(out)
		})))
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var rq struct {
			ID     int
			Params json.RawMessage
		}
		params.Target, params.Output = "", ""
		if err := errors.Join(json.Unmarshal(lines.Bytes(), &rq), json.Unmarshal(rq.Params, &params)); err != nil {
			panic(err)
		}
		out, err := scanTarget(params.Target, params.Output)
		if err != nil {
			fmt.Printf(`{"jsonrpc":"2.0","id":%d,"error":{"code":-1,"message":%q}}`+"\n", rq.ID, err)
			continue
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":%d,"result":%s}`+"\n", rq.ID, out)
	}
	os.Exit(0)
}

func servedBy(t *testing.T, s scan.Server, how string) (*scan.Runner, *testkit.Recorder) {
	t.Helper()
	self := testkit.Must(os.Executable())
	s.Command = append([]string{self}, s.Command...)
	def := scan.Definition{Name: "served", Command: self, Env: []string{serverEnv + "=" + how, "GORACE=atexit_sleep_ms=0"}, Server: s}
	table, err := scan.NewTable(def)
	testkit.Check(t, err)
	r, err := scan.NewRunner(scan.Config{Table: table, Dir: t.TempDir(), Timeout: time.Minute})
	testkit.Check(t, err)
	events := &testkit.Recorder{}
	r.SetDefaultSink(events)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r.Close(ctx)
		if n := len(events.Events(event.InstanceStarted)); n == 0 || n != len(events.Events(event.InstanceStopped)) {
			t.Errorf("%d instances started, %d stopped; want the same number and some", n, len(events.Events(event.InstanceStopped)))
		}
	})
	return r, events
}

// scanned scans a target of that name and returns the rule of the only finding.
func scanned(t *testing.T, r *scan.Runner, name string) (rule string, err error) {
	t.Helper()
	target := filepath.Join(t.TempDir(), name)
	testkit.Check(t, os.MkdirAll(target, 0o700))
	testkit.Check(t, os.WriteFile(filepath.Join(target, "a.go"), []byte("package a\n"), 0o600))
	var rec scantest.Recorder
	if _, err := r.Scan(t.Context(), scan.Request{Scanner: "served", Target: target}, rec.Open); err != nil {
		return "", err
	}
	rep := rec.Report
	if len(rep.Findings) != 1 || rep.Metadata.CoverageType != report.CoverageFull {
		t.Fatalf("report has %d findings and coverage %q, want 1 and full", len(rep.Findings), rep.Metadata.CoverageType)
	}
	return rep.Findings[0].RuleID, nil
}

var serverKinds = map[string]struct {
	server scan.Server
	how    string
}{
	"stdio, answer": {scan.Server{Method: "scan", Params: `{"target":"{target}"}`}, "stdio"},
	"stdio, file":   {scan.Server{Method: "scan", Params: `{"target":"{target}","output":"{output}"}`}, "stdio"},
	"http, answer":  {scan.Server{Command: []string{"{addr}"}, Transport: scan.TransportHTTP, Method: "/scan", Health: "/healthz", Params: `{"target":"{target}"}`}, "http"},
	"http, file":    {scan.Server{Command: []string{"{addr}"}, Transport: scan.TransportHTTP, Method: "/scan", Params: `{"target":"{target}","output":"{output}"}`}, "http"},
}

// Scans share an instance; one that crashes fails its scan and is replaced; a refusal costs no instance.
func TestScansShareAServer(t *testing.T) {
	for name, kind := range serverKinds {
		t.Run(name, func(t *testing.T) {
			r, _ := servedBy(t, kind.server, kind.how)
			first, err := scanned(t, r, "one")
			testkit.Check(t, err)
			if second, err := scanned(t, r, `two "quoted"`); err != nil || second != first {
				t.Errorf("second scan = %q, %v; want the instance of the first, %q", second, err, first)
			}
			var failed *scan.Error
			if _, err := scanned(t, r, "refuse"); !errors.As(err, &failed) || failed.Cause != scan.CauseExit || !strings.Contains(err.Error(), "not a target for me") {
				t.Errorf("refused scan = %v, want CauseExit with the server's reason", err)
			}
			if _, err := scanned(t, r, "crash"); !errors.As(err, &failed) || failed.Cause != scan.CauseExit {
				t.Errorf("scan that crashes the server = %v, want CauseExit", err)
			}
			if other, err := scanned(t, r, "three"); err != nil || other == first {
				t.Errorf("scan after a crash = %q, %v; want another instance than %q", other, err, first)
			}
			if s := r.ServerStats()["served"]; s.Started != 2 || s.Answered < 3 {
				t.Errorf("ServerStats = %+v, want 2 instances started", s)
			}
		})
	}
}

func TestAServerThatHangsIsAbandonedInTime(t *testing.T) {
	r, _ := servedBy(t, serverKinds["stdio, answer"].server, "stdio")
	target := filepath.Join(t.TempDir(), "hang")
	testkit.Check(t, os.Mkdir(target, 0o700))
	var rec scantest.Recorder
	_, err := r.Scan(t.Context(), scan.Request{Scanner: "served", Target: target, Timeout: 200 * time.Millisecond}, rec.Open)
	var failed *scan.Error
	if !errors.As(err, &failed) || failed.Cause != scan.CauseTimeout {
		t.Errorf("Scan = %v, want CauseTimeout", err)
	}
	if other, err := scanned(t, r, "next"); err != nil || other == "" {
		t.Errorf("the next scan = %q, %v; want another instance", other, err)
	}
}

func TestServersEndWithTheRunner(t *testing.T) {
	r, _ := servedBy(t, serverKinds["stdio, answer"].server, "stdio")
	if _, err := scanned(t, r, "one"); err != nil {
		t.Fatal(err)
	}
	r.Close(t.Context())
	var failed *scan.Error
	if _, err := scanned(t, r, "late"); !errors.As(err, &failed) || failed.Cause != scan.CauseShutdown || !errors.Is(err, pool.ErrClosed) {
		t.Errorf("Scan after Close = %v, want CauseShutdown", err)
	}
}

func TestServerDefinitionsAreChecked(t *testing.T) {
	_, err := scan.ParseDefinition([]byte(`
name: served
command: served
server:
  command: [served, "{addr}"]
  transport: smoke
  framing: none
  params: '{"target": 1}'
  max_instances: 5000
`))
	for _, want := range []string{`server.transport: "smoke": want stdio or http`, `server.framing: "none"`, "server.method: is empty", "server.params:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseDefinition = %v, want %q in it", err, want)
		}
	}
	d, err := scan.ParseDefinition([]byte(`
name: served
command: served
server:
  command: [served, --listen, "{addr}"]
  transport: http
  method: /scan
  params: '{"target": "{target}"}'
  health: /healthz
  idle_timeout: 10m
`))
	if err != nil || d.Server.IdleTimeout != 10*time.Minute {
		t.Errorf("ParseDefinition = %+v, %v", d.Server, err)
	}
}
