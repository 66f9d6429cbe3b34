package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// testReport returns a valid report with n findings.
func testReport(id string, n int) *report.Report {
	r := &report.Report{Metadata: report.Metadata{ID: id}, Tool: &report.Tool{Name: "test"}}
	for i := range n {
		r.Findings = append(r.Findings, &report.Finding{
			Type: report.TypeVulnerability, Title: fmt.Sprintf("finding %d", i), Severity: report.High, RuleID: "rule",
			Location: &report.Location{Path: "a.go", StartLine: i + 1},
		})
	}
	return r
}

// answers is an Uploader that answers as its script says, and records its calls.
type answers struct {
	mu     sync.Mutex
	script func(pt *part.Part) error
	calls  []call
}

type call struct {
	id      string
	attempt int
	at      time.Duration
	finding int
}

func (a *answers) Upload(_ context.Context, p *part.Part) (*Result, error) {
	a.mu.Lock()
	a.calls = append(a.calls, call{p.ReportID, p.Attempt, time.Since(epoch), p.Findings})
	a.mu.Unlock()
	if a.script != nil {
		if err := a.script(p); err != nil {
			return nil, err
		}
	}
	return &Result{FindingsCreated: p.Findings}, nil
}

func (a *answers) ids() (ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.calls {
		ids = append(ids, c.id)
	}
	return ids
}

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the start of time in every synctest bubble

// ends counts the callbacks of each report.
type ends struct {
	mu                sync.Mutex
	completed, failed map[string]int
	errs              map[string]error
	results           map[string]Result
}

func newEnds(c *PipelineConfig) *ends {
	e := &ends{completed: map[string]int{}, failed: map[string]int{}, errs: map[string]error{}, results: map[string]Result{}}
	c.OnCompleted = func(i *QueueItem, r *Result) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.completed[i.ID]++
		e.results[i.ID] = *r
	}
	c.OnFailed = func(i *QueueItem, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.failed[i.ID]++
		e.errs[i.ID] = err
	}
	return e
}

// checkSum fails unless the numbers add up.
func checkSum(t *testing.T, s Stats) {
	t.Helper()
	if s.Submitted+s.Recovered != s.Completed+s.Failed+s.Dropped+s.InProgress+s.QueueLength {
		t.Fatalf("GetStats() = %+v, want numbers that add up", s)
	}
}

type statusErr struct {
	permanent, unavailable, unauthorized bool
	after                                time.Duration
}

func (e *statusErr) Error() string             { return fmt.Sprintf("%+v", *e) }
func (e *statusErr) Permanent() bool           { return e.permanent }
func (e *statusErr) Unavailable() bool         { return e.unavailable }
func (e *statusErr) Unauthorized() bool        { return e.unauthorized }
func (e *statusErr) RetryAfter() time.Duration { return e.after }

func mustSubmit(t *testing.T, p *Pipeline, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := p.Submit(testReport(id, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

func stop(t *testing.T, p *Pipeline) {
	t.Helper()
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkSum(t, p.GetStats())
}

// stopUnsent stops p and fails unless the UnsentError names exactly these reports.
func stopUnsent(t *testing.T, p *Pipeline, ids ...string) {
	t.Helper()
	var unsent *UnsentError
	if err := p.Stop(t.Context()); !errors.As(err, &unsent) {
		t.Fatalf("Stop = %v, want an UnsentError", err)
	}
	slices.Sort(unsent.ReportIDs)
	if !slices.Equal(unsent.ReportIDs, ids) {
		t.Errorf("UnsentError names %v, want %v", unsent.ReportIDs, ids)
	}
	checkSum(t, p.GetStats())
}

// store opens a chunk store at path, or a new one, whose parts hold two findings.
func store(t testing.TB, cfg chunk.Config) *chunk.Manager {
	t.Helper()
	if cfg.DatabasePath == "" {
		cfg.DatabasePath = filepath.Join(t.TempDir(), "chunks.db")
	}
	cfg.MinFindingsForChunking, cfg.MaxFindingsPerChunk = 2, 2
	if cfg.UploadDelayMs == 0 {
		cfg.UploadDelayMs = -1
	}
	cfg.AutoCleanupOnUpload, cfg.CleanupOnReportComplete = true, true
	m, err := chunk.NewManager(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func start(t testing.TB, cfg PipelineConfig, up Uploader) *Pipeline {
	t.Helper()
	p := NewPipeline(&cfg, up)
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p
}

func flush(t testing.TB, p *Pipeline) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func (e *ends) counts() (completed, failed int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.completed), len(e.failed)
}

// once fails if a report had more than one callback.
func (e *ends) once(t testing.TB) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, n := range e.completed {
		if n+e.failed[id] != 1 {
			t.Errorf("report %s: %d calls of OnCompleted, %d of OnFailed; want one call", id, n, e.failed[id])
		}
	}
	for id, n := range e.failed {
		if n+e.completed[id] != 1 {
			t.Errorf("report %s: %d calls of OnFailed, %d of OnCompleted; want one call", id, n, e.completed[id])
		}
	}
}
