package agent_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// wrapper is a Scanner as an importer writes it: it does something of its own around another Scanner.
type wrapper struct{ agent.Scanner }

func (w wrapper) Unwrap() agent.Scanner { return w.Scanner }

func TestWrappedRunnerKeepsMemoryAdmission(t *testing.T) {
	const need = 8 << 30
	def := scantest.Definition(t, scantest.Hang())
	def.MemoryBytes = need
	table, err := scan.NewTable(def)
	must(t, err)
	runner, err := scan.NewRunner(scan.Config{Table: table, Dir: t.TempDir()})
	must(t, err)
	var b bed
	b.source.Add(job.Spec{Scanner: scantest.Name, Target: t.TempDir()})
	b.start(t, func(c *agent.Config) { c.Scanner = wrapper{wrapper{runner}} })
	testkit.Eventually(t, "reservation of the memory that the definition names", func() bool { return b.agent.Status().Resource.ReservedBytes == need })
	start, err := b.events.WaitFor(limit(t), event.AgentStart)
	must(t, err)
	if start.Details["containment"] == nil {
		t.Errorf("details of agent_start = %v, want the containment of the wrapped scanner", start.Details)
	}
	if w := b.agent.Status().Warnings; len(w) != 0 {
		t.Errorf("Status().Warnings = %q, want none", w)
	}
}

func TestScannerWithoutCostIsReported(t *testing.T) {
	var b bed
	b.source.End()
	b.start(t, func(c *agent.Config) {
		c.Scanner = scanFunc(func(scan.Request, scan.OpenFunc) (*scan.Result, error) { return nil, nil })
	})
	must(t, b.end(t))
	events := b.events.OfType(event.AgentError)
	if len(events) != 1 || events[0].Severity != event.Warn || !strings.Contains(events[0].Message, "agent.Coster") {
		t.Errorf("events %+v, want one warning that names agent.Coster", events)
	}
	if w := b.agent.Status().Warnings; len(w) != 1 {
		t.Errorf("Status().Warnings = %q, want one", w)
	}
}

// quietSource and the like take the agent's Sink after construction.
type quietSource struct {
	sdktest.Source
	event.Outlet
}

type quietUploader struct {
	sdktest.Uploader
	event.Outlet
}

type quietScanner struct {
	sdktest.Scanner
	event.Outlet
}

func TestOneSinkReachesAllParts(t *testing.T) {
	var b bed
	var source quietSource
	var uploader quietUploader
	var scanner quietScanner
	b.start(t, func(c *agent.Config) {
		c.Source, c.Uploader, c.Scanner = &source, &uploader, wrapper{&scanner}
		c.Resource.Sink, c.Pipeline.Sink = nil, nil
	})
	var mu sync.Mutex
	var heard []string
	defer b.agent.Subscribe(func(_ context.Context, e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, e.Message)
	}, event.ProcessWarning)()
	for name, o := range map[string]*event.Outlet{"source": &source.Outlet, "uploader": &uploader.Outlet, "scanner": &scanner.Outlet} {
		o.Record(event.Event{Type: event.ProcessWarning, Message: name})
	}
	source.Add(job.Spec{})
	source.End()
	must(t, b.end(t))
	if len(b.events.OfType(event.UploadCompleted)) != 1 {
		t.Errorf("the Sink of the agent got no upload_completed of its pipeline, only %+v", b.events.Events())
	}
	slices.Sort(heard)
	if got := strings.Join(heard, " "); got != "scanner source uploader" || len(b.events.OfType(event.ProcessWarning)) != 3 {
		t.Errorf("subscriber got %q, Sink %+v; want one event of each part", got, b.events.OfType(event.ProcessWarning))
	}
	if s := b.agent.Status().Bus; s.Dropped != 0 || s.Queued != 0 || s.Published != s.Handled {
		t.Errorf("Status().Bus = %+v, want every event handled when Run has returned", s)
	}
}

// The numbers of Status must add up whatever the bus drops; only the list of problems comes through it.
func TestStatusIsRightWhileTheBusDrops(t *testing.T) {
	var b bed
	bus, err := event.NewBus(event.BusConfig{Workers: 1, QueueSizes: [3]int{1, 1, 1}})
	must(t, err)
	block := make(chan struct{})
	bus.Subscribe(func(context.Context, event.Event) { <-block })
	const n = 20
	b.scanner.Does(sdktest.Fails(errors.New("broken")))
	b.source.Add(make([]job.Spec, n)...)
	b.source.End()
	b.start(t, func(c *agent.Config) { c.Bus = bus })
	must(t, b.source.WaitEnded(limit(t)))
	close(block)
	must(t, b.end(t))
	if s := b.agent.Status(); s.JobsFailed != n || s.Bus.Dropped == 0 || len(s.Problems) >= n {
		t.Errorf("%d jobs failed, %d events dropped, %d problems; want %d failed, some dropped, fewer problems", s.JobsFailed, s.Bus.Dropped, len(s.Problems), n)
	}
}

func TestFailuresAreLoggedWithoutASink(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	var b bed
	b.scanner.Does(sdktest.Fails(errors.New("no such scanner")))
	b.source.Add(job.Spec{ID: "nightly"})
	b.source.End()
	b.start(t, func(c *agent.Config) { c.Sink, c.Pipeline.Sink = nil, nil })
	must(t, b.end(t))
	if got := log.String(); !strings.Contains(got, "job_id=nightly") || !strings.Contains(got, "no such scanner") || strings.Contains(got, "agent_start") {
		t.Errorf("log = %q, want the failed job and nothing below WARN", got)
	}
}

func TestHeartbeatAtStartInIntervalsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		var phases []agent.Phase
		b.start(t, func(c *agent.Config) {
			c.Heartbeat = func(ctx context.Context, s agent.Status) error {
				phases = append(phases, s.Phase)
				switch len(phases) {
				case 2, 3:
					return errors.New("server is away")
				case 4:
					panic("broken heart")
				}
				return ctx.Err()
			}
		})
		time.Sleep(3*agent.DefaultHeartbeatInterval + time.Second)
		b.cancel()
		must(t, b.end(t))
		if want := []agent.Phase{"running", "running", "running", "running", "draining"}; !slices.Equal(phases, want) {
			t.Errorf("phases of the heartbeats = %v, want %v", phases, want)
		}
		var messages []string
		for _, e := range b.events.OfType(event.AgentError) {
			messages = append(messages, e.Message)
		}
		if got := strings.Join(messages, ", "); got != "heartbeat failed, Heartbeat panicked" {
			t.Errorf("events %q, want one of the first of two failures and one of the panic", got)
		}
	})
}

func TestBadSettingsOfPartsAreErrorsOfNew(t *testing.T) {
	var b bed
	cfg := b.config()
	cfg.MaxAttempts, cfg.Pipeline.Workers, cfg.Resource.MaxConcurrentJobs = -1, -3, -5
	_, err := agent.New(cfg)
	for _, want := range []string{"agent.max_attempts: -1", "pipeline.workers: -3", "-5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q in it", err, want)
		}
	}
}
