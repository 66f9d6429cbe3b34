package agent_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// life is an agent made of real parts.
type life struct {
	bed
	t     *testing.T
	srv   *ingesttest.Server
	store *chunk.Manager
	jobs  int
}

func newLife(t *testing.T) *life {
	l := &life{t: t, srv: ingesttest.New(t)}
	var err error
	l.store, err = chunk.NewManager(&chunk.Config{
		DatabasePath: filepath.Join(t.TempDir(), "chunks.db"), MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, UploadDelayMs: -1,
		AutoCleanupOnUpload: true, CleanupOnReportComplete: true, Sink: &l.events,
	})
	must(t, err)
	t.Cleanup(func() { must(t, l.store.Close()) })
	var defs []scan.Definition
	for name, does := range map[string]scantest.Behaviour{"good": scantest.Results(5), "broken": scantest.Exit(7), "slow": scantest.Hang()} {
		d := scantest.Definition(t, does)
		d.Name = name
		defs = append(defs, d)
	}
	table, err := scan.NewTable(defs...)
	must(t, err)
	runner, err := scan.NewRunner(scan.Config{Table: table, Dir: t.TempDir(), Sink: &l.events})
	must(t, err)
	client := l.srv.Client()
	source, err := ingest.NewSource(client, ingest.SourceConfig{Interval: 5 * time.Millisecond})
	must(t, err)
	l.start(t, func(c *agent.Config) {
		c.Source, c.Scanner, c.Uploader, c.Version = source, runner, client, "1.2.3"
		c.Degradation = &limits.DegradationConfig{SamplesUp: 1, SamplesDown: 1, Cooldown: -1,
			Rules: []limits.Rule{{Metric: limits.MetricMemory, Raise: 60, Clear: 50, Level: limits.LevelReduced}}}
		c.PollWait, c.RetryDelay = 50*time.Millisecond, 10*time.Millisecond
		c.Resource = resource.ControllerConfig{MaxConcurrentJobs: 2, Sampler: &l.host, SampleInterval: resource.MinSampleInterval, CooldownDuration: 1, Sink: &l.events,
			Budgets: []resource.Budget{{Component: "good", Guaranteed: resource.Vector{Slots: 1}, Elasticity: 1}, {Component: "slow"}}}
		c.Rebalance = limits.RebalanceConfig{Custom: toSlow{}, Interval: time.Second}
		c.Pipeline = pipeline.PipelineConfig{RetryDelay: 10 * time.Millisecond, Spool: l.store, Sink: &l.events}
	})
	return l
}

// toSlow is a policy that moves the guaranteed slot to the scanner slow.
type toSlow struct{}

func (toSlow) Propose(time.Time, []limits.Share) ([]resource.Vector, string) {
	return []resource.Vector{{}, {}, {Slots: 1}}, "slow comes first"
}

// waitN waits until there are n events of a type, and returns the last one.
func (l *life) waitN(n int, kind event.Type) event.Event {
	l.t.Helper()
	all, err := l.events.WaitForN(limit(l.t), n, kind)
	must(l.t, err)
	return all[n-1]
}

// next calls do, waits for one more event of the type, and returns it.
func (l *life) next(kind event.Type, do func()) event.Event {
	l.t.Helper()
	n := len(l.events.OfType(kind))
	do()
	return l.waitN(n+1, kind)
}

// command queues a command with the payload.
func (l *life) command(payload string) {
	l.t.Helper()
	l.jobs++
	_, err := l.srv.Store.Tenant(ingesttest.Tenant).AddCommand(ingest.Command{ID: fmt.Sprint("job-", l.jobs), Type: "scan", Payload: json.RawMessage(payload)})
	must(l.t, err)
}

func (l *life) scan(scanner string) {
	l.t.Helper()
	seconds := 60
	if scanner == "slow" {
		seconds = 1
	}
	l.command(fmt.Sprintf(`{"scanner": %q, "target": %q, "timeout_seconds": %d}`, scanner, l.t.TempDir(), seconds))
}

func (l *life) busyHost() {
	l.t.Helper()
	numbers := func(e event.Event, value, limit float64, samples int) {
		l.t.Helper()
		d := e.Details
		if d["resource"] != resource.CPU || d["value"] != value || d["limit"] != limit || d["unit"] != "percent" || d["samples"] != samples {
			l.t.Errorf("%s: %v", e.Type, d)
		}
	}
	numbers(l.next(event.ResourceWarning, func() { l.host.Set(sdktest.Load{CPU: 82}) }), 82, 80, 3)
	numbers(l.next(event.ResourceThrottle, func() { l.host.Set(sdktest.Load{CPU: 97}) }), 97, 85, 3)
	numbers(l.next(event.ResourceResume, func() { l.host.Set() }), 5, 85, 6)
	down := l.next(event.DegradationChanged, func() { l.host.Set(sdktest.Load{Memory: 65}) })
	up := l.next(event.DegradationChanged, func() { l.host.Set() })
	if down.Details["to"] != "reduced" || down.Details["value"] != 65.0 || up.Details["to"] != "full" || up.Details["limit"] != 50.0 {
		l.t.Errorf("%+v, %+v", down, up)
	}
}

// goodScan has five findings, which are uploaded in three parts.
func (l *life) goodScan() {
	l.t.Helper()
	l.next(event.UploadCompleted, func() { l.scan("good") })
	var stored, freed int64
	for _, e := range l.events.OfType(event.ChunkCreated) {
		stored += e.Details["bytes_stored"].(int64)
	}
	for _, e := range l.events.OfType(event.ChunkCleanup) {
		if e.Details["reason"] != "upload" || e.Details["unsent"] != false {
			l.t.Errorf("%+v", e)
		}
		freed += e.Details["bytes_freed"].(int64)
	}
	if parts := len(l.events.OfType(event.ChunkUploaded)); parts != 3 || stored == 0 || stored != freed {
		l.t.Errorf("%d parts uploaded, %d bytes stored, %d freed", parts, stored, freed)
	}
}

func (l *life) badScans() {
	l.t.Helper()
	if e := l.next(event.JobFailed, func() { l.scan("broken") }); e.Details["exit_code"] != 7 {
		l.t.Errorf("%+v", e)
	}
	if e := l.next(event.JobTimeout, func() { l.scan("slow") }); e.Duration < time.Second {
		l.t.Errorf("%+v", e)
	}
}

// unwillingReceiver accepts a report after several refusals.
func (l *life) unwillingReceiver() {
	l.t.Helper()
	l.next(event.UploadCompleted, func() {
		for _, status := range []int{500, 429, 401} {
			l.srv.Fail(ingesttest.Fault{Path: "/ingest/chunk", Status: status})
		}
		l.scan("good")
	})
	l.hasStatus(event.UploadRetry, 500)
	l.hasStatus(event.RateLimited, 429)
	l.hasStatus(event.AuthFailed, 401)
}

// hasStatus fails unless there is an event of a part with this HTTP status.
func (l *life) hasStatus(kind event.Type, status int) {
	l.t.Helper()
	for _, e := range l.events.OfType(kind) {
		if e.Details["status"] == status && e.Details["size"].(int) > 0 && e.TenantID == ingesttest.Tenant && e.JobID != "" && e.ReportID != "" {
			return
		}
	}
	l.t.Errorf("no %s event with status %d in %+v", kind, status, l.events.OfType(kind))
}

// refusedReport becomes a dead letter that an operator drops.
func (l *life) refusedReport() {
	l.t.Helper()
	failed := l.next(event.UploadFailed, func() {
		l.srv.Fail(ingesttest.Fault{Path: "/ingest/chunk", Status: 422})
		l.scan("good")
	})
	l.hasStatus(event.ValidationError, 422)
	dropped := l.next(event.ChunkCleanup, func() {
		_, err := l.store.Tenant(ingesttest.Tenant).Drop(limit(l.t), failed.ReportID)
		must(l.t, err)
	})
	if d := dropped.Details; d["reason"] != "operator" || d["bytes_freed"].(int64) <= 0 || d["unsent"] != true || dropped.ReportID != failed.ReportID {
		l.t.Errorf("%+v", dropped)
	}
}

// unwillingSource fails in all ways, and delivers an invalid job.
func (l *life) unwillingSource() {
	l.t.Helper()
	for status, kind := range map[int]event.Type{401: event.AuthFailed, 429: event.RateLimited, 500: event.AgentError} {
		e := l.next(kind, func() { l.srv.Fail(ingesttest.Fault{Path: "/commands", Status: status}) })
		if e.Details["status"] != status || e.JobID != "" {
			l.t.Errorf("%+v", e)
		}
	}
	if e := l.next(event.ValidationError, func() { l.command(`{"scanner": ""}`) }); !strings.Contains(e.Error, job.ErrInvalid.Error()) {
		l.t.Errorf("%+v", e)
	}
}
