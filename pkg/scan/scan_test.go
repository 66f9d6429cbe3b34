package scan_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// agentEnv makes TestMain an agent whose scanner hangs; its value is the directory of the scans.
const agentEnv = "SCAN_TEST_AGENT"

func beAgent(dir string) {
	var t testing.T // Definition fails on nothing here
	table, err := scan.NewTable(scantest.Definition(&t, scantest.Hang(), scantest.IgnoreTerm(), scantest.Fork(1), scantest.Detach(1)))
	if err != nil {
		panic(err)
	}
	r, err := scan.NewRunner(scan.Config{Table: table, Dir: dir})
	if err != nil {
		panic(err)
	}
	var rec scantest.Recorder
	req := scan.Request{Scanner: scantest.Name, Target: os.TempDir(), JobID: filepath.Base(dir)}
	_, err = r.Scan(context.Background(), req, rec.Open)
	fmt.Println(err)
	os.Exit(1)
}

func TestMain(m *testing.M) {
	if how := os.Getenv(serverEnv); how != "" {
		beServer(how)
	}
	scantest.Main()
	if dir := os.Getenv(agentEnv); dir != "" {
		beAgent(dir)
	}
	os.Exit(m.Run())
}

// sink keeps events.
type sink struct {
	mu     sync.Mutex
	events []event.Event
}

func (s *sink) Record(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *sink) types() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var types []string
	for _, e := range s.events {
		types = append(types, string(e.Type))
	}
	return strings.Join(types, " ")
}

// bench is a runner with the fake scanner, and what it leaves behind.
type bench struct {
	*scan.Runner
	sink   sink
	rec    scantest.Recorder
	dir    string // of the runner's private directories
	target string
}

func newBench(t testing.TB, cfg scan.Config, def scan.Definition) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(t.TempDir(), "scans"), target: t.TempDir()}
	if err := os.WriteFile(filepath.Join(b.target, "file-0.go"), []byte("package x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := scan.NewTable(def)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Table, cfg.Dir, cfg.Sink = table, b.dir, &b.sink
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute // keeps a broken test short
	}
	if cfg.Grace == 0 {
		cfg.Grace = 300 * time.Millisecond
	}
	if b.Runner, err = scan.NewRunner(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) scan(ctx context.Context) (*scan.Result, error) {
	return b.Scan(ctx, scan.Request{Scanner: scantest.Name, Target: b.target, JobID: "job-1", TenantID: "acme"}, b.rec.Open)
}

// clean fails the test when a scan has left something in its directory.
func (b *bench) clean(t testing.TB) {
	t.Helper()
	left, err := os.ReadDir(b.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestScan(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Results(3), scantest.Stderr("\x1b[31mthree\x1b[0m found\n")))
	res, err := b.scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !b.rec.Closed || b.rec.Aborted || res.Partial || len(res.Warnings) > 0 {
		t.Errorf("closed %v, aborted %v, result %+v", b.rec.Closed, b.rec.Aborted, res)
	}
	again := report.CleanID("job-1/fake") // a repeated job has the same
	if res.ReportID != again || res.Summary.Findings != 3 || res.Summary.BySeverity[report.High] != 3 || res.Sarif.Results != 3 {
		t.Errorf("result %+v", res)
	}
	if p := res.Process; p.Cause != scan.CauseExit || p.ExitCode != scantest.FindingsCode || p.Duration <= 0 || p.UserCPU+p.SystemCPU <= 0 {
		t.Errorf("process %+v", p)
	}
	if got := strings.Join(res.StderrTail, "|"); got != "three found" {
		t.Errorf("stderr %q", got)
	}

	r := b.rec.Report
	m := r.Metadata
	if m.ID != again || m.SourceType != report.SourceScanner || m.SourceRef != "job-1" ||
		m.CoverageType != report.CoverageFull || m.Timestamp.IsZero() || m.DurationMS <= 0 {
		t.Errorf("metadata %+v", m)
	}
	if r.Tool.Name != "fake" || r.Tool.Properties["sarif_version"] != "0.0.0-of-sarif" || r.Tool.Version == "0.0.0-of-sarif" {
		t.Errorf("tool %+v: the version of the executable comes before that of the SARIF", r.Tool)
	}
	target, _ := filepath.EvalSymlinks(b.target)
	if len(r.Assets) != 1 || r.Assets[0].Value != target || r.Assets[0].Type != "repository" {
		t.Errorf("assets %+v", r.Assets)
	}
	for i, f := range r.Findings {
		if f.Location.Path != fmt.Sprintf("file-%d.go", i) || f.AssetRef != r.Assets[0].ID {
			t.Errorf("finding %d: path %q, asset %q", i, f.Location.Path, f.AssetRef)
		}
	}
	if got := b.sink.types(); got != "scan_started scan_completed" {
		t.Errorf("events %s", got)
	}
	if e := b.sink.events[1]; e.JobID != "job-1" || e.TenantID != "acme" || e.ReportID != again || e.Details["findings"] != 3 {
		t.Errorf("event %+v", e)
	}
	b.clean(t)
}

func TestScanOfStandardOutput(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Results(2), scantest.Stdout()))
	if res, err := b.scan(t.Context()); err != nil || res.Summary.Findings != 2 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// What a scanner does wrong is an error that says why, submits nothing and leaves nothing.
func TestScanFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    []scantest.Behaviour
		cfg   scan.Config
		cause scan.Cause
		want  string // in the error
	}{
		{"undeclared exit code", []scantest.Behaviour{scantest.Exit(3), scantest.Results(1)}, scan.Config{}, scan.CauseExit, "exit code 3 is not declared: clean [0], findings [42]"},
		{"killed from outside", []scantest.Behaviour{scantest.Killed()}, scan.Config{}, scan.CauseExit, "signal"},
		{"hangs", []scantest.Behaviour{scantest.Hang()}, scan.Config{Timeout: 3 * time.Second}, scan.CauseTimeout, "time limit of 3s"},
		{"hangs and ignores TERM", []scantest.Behaviour{scantest.Hang(), scantest.IgnoreTerm()}, scan.Config{Timeout: 3 * time.Second}, scan.CauseTimeout, "time limit of 3s"},
		{"floods standard output", []scantest.Behaviour{scantest.Flood(1 << 30)}, scan.Config{MaxOutputBytes: 1 << 20}, scan.CauseOutput, "stdout was over 1048576 bytes"},
		{"floods standard error", []scantest.Behaviour{scantest.Stderr(strings.Repeat("x", 3000))}, scan.Config{MaxLogBytes: 2000}, scan.CauseOutput, "stderr was over 2000 bytes"},
		{"report too large", []scantest.Behaviour{scantest.Results(1000)}, scan.Config{MaxOutputBytes: 1000}, scan.CauseOutput, "report.sarif was over 1000 bytes"},
		{"no report", []scantest.Behaviour{scantest.NoReport()}, scan.Config{}, scan.CauseSarif, "no SARIF was written"},
		{"empty report", []scantest.Behaviour{scantest.Sarif("")}, scan.Config{}, scan.CauseSarif, "empty"},
		{"garbage", []scantest.Behaviour{scantest.Sarif("no findings, all well\n")}, scan.Config{}, scan.CauseSarif, "no JSON"},
		{"other JSON", []scantest.Behaviour{scantest.Sarif(`{"a":1}`)}, scan.Config{}, scan.CauseSarif, "SARIF"},
		{"old report", []scantest.Behaviour{scantest.OldReport(time.Hour)}, scan.Config{}, scan.CauseSarif, "before the scan"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			last := scantest.Stderr("\x1b[90mfirst\x1b[0m\n\x1b[31mlast words\x1b[0m\n")
			b := newBench(t, tt.cfg, scantest.Definition(t, append([]scantest.Behaviour{last}, tt.do...)...))
			_, err := b.scan(t.Context())
			var se *scan.Error
			if !errors.As(err, &se) || se.Cause != tt.cause || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %#v, want cause %s and %q in %v", se, tt.cause, tt.want, err)
			}
			if tt.name != "floods standard error" && strings.Join(se.Stderr, "|") != "first|last words" {
				t.Errorf("stderr %q", se.Stderr)
			}
			if b.rec.Opened != 0 {
				t.Error("a report was opened")
			}
			if got := b.sink.types(); got != "scan_started scan_failed" {
				t.Errorf("events %s", got)
			}
			if e := b.sink.events[1]; e.Error != err.Error() || e.Details["cause"] != string(tt.cause) {
				t.Errorf("event %+v", e)
			}
			b.clean(t)
		})
	}
}

func TestScanFindsNoScannerOrTarget(t *testing.T) {
	gone := scan.Custom("gone", "no-such-scanner-anywhere")
	b := newBench(t, scan.Config{}, gone)
	file := filepath.Join(b.target, "file-0.go")
	for _, tt := range []struct {
		name  string
		def   scan.Definition
		req   scan.Request
		cause scan.Cause
	}{
		{"unknown", gone, scan.Request{Scanner: "other", Target: b.target}, scan.CauseScanner},
		{"not installed", gone, scan.Request{Scanner: "gone", Target: b.target}, scan.CauseScanner},
		{"no target", scantest.Definition(t), scan.Request{Scanner: scantest.Name, Target: filepath.Join(b.target, "none")}, scan.CauseTarget},
		{"empty target", scantest.Definition(t), scan.Request{Scanner: scantest.Name}, scan.CauseTarget},
		{"device", scantest.Definition(t), scan.Request{Scanner: scantest.Name, Target: os.DevNull}, scan.CauseTarget},
		{"file for one that works in a directory", scan.Custom("in", os.Args[0]), scan.Request{Scanner: "in", Target: file}, scan.CauseTarget},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, scan.Config{}, tt.def)
			_, err := b.Scan(t.Context(), tt.req, b.rec.Open)
			var se *scan.Error
			if !errors.As(err, &se) || se.Cause != tt.cause || se.Process != nil || se.ExitCode != -1 {
				t.Errorf("got %#v: %v", se, err)
			}
			if got := b.sink.types(); got != "scan_failed" {
				t.Errorf("events %s", got)
			}
			b.clean(t)
		})
	}
}

func TestScanWarns(t *testing.T) {
	def := scantest.Definition(t)
	def.SilencedBy = []string{".ignore"}
	b := newBench(t, scan.Config{}, def)
	if err := os.WriteFile(filepath.Join(b.target, ".ignore"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := b.scan(t.Context())
	if err != nil || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], ".ignore") || res.Partial {
		t.Errorf("got %+v, %v", res, err)
	}
	b.target = t.TempDir()
	res, err = b.scan(t.Context())
	if err != nil || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "empty") || !res.Partial {
		t.Errorf("empty target: got %+v, %v", res, err)
	}
}

func TestScanIsCancelled(t *testing.T) {
	for _, tt := range []struct {
		reason error
		cause  scan.Cause
	}{
		{nil, scan.CauseCancel}, {scan.ErrShutdown, scan.CauseShutdown}, {context.DeadlineExceeded, scan.CauseTimeout},
	} {
		t.Run(string(tt.cause), func(t *testing.T) {
			b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Hang()))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			go func() {
				for b.sink.types() == "" {
					time.Sleep(time.Millisecond)
				}
				cancel(tt.reason)
			}()
			_, err := b.scan(ctx)
			var se *scan.Error
			if !errors.As(err, &se) || se.Cause != tt.cause || b.rec.Opened != 0 {
				t.Errorf("got %#v: %v", se, err)
			}
			b.clean(t)
		})
	}
}

func TestScanAbortsTheReport(t *testing.T) {
	full := errors.New("disk full")
	for name, rec := range map[string]*scantest.Recorder{
		"open": {OpenErr: full}, "add": {AddErr: full}, "close": {CloseErr: full},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Results(1)))
			_, err := b.Scan(t.Context(), scan.Request{Scanner: scantest.Name, Target: b.target}, rec.Open)
			var se *scan.Error
			if !errors.As(err, &se) || se.Cause != scan.CauseReport || !errors.Is(err, full) || !se.Temporary() {
				t.Errorf("got %#v: %v", se, err)
			}
			if rec.Closed || rec.Aborted != (name != "open") {
				t.Errorf("closed %v, aborted %v", rec.Closed, rec.Aborted)
			}
		})
	}
}
