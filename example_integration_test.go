package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// integration is the integration example of the specification, word for word. What the example leaves undefined stands
// below it.
func integration() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	// Handle signals
	sigCh := make(chan os.Signal, 1)
	signal.Notify(sigCh, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-sigCh
		cancel()
	}()

	// 1. Initialize audit logger
	auditLogger, _ := audit.NewLogger(&audit.LoggerConfig{
		AgentID: "agent-001",
		LogFile: "~/.rediver/audit.log",
		Verbose: true,
	})
	auditLogger.Start()
	defer auditLogger.Stop()

	// 2. Initialize resource controller
	controller := resource.NewController(&resource.ControllerConfig{
		CPUThreshold:      85.0,
		MemoryThreshold:   85.0,
		MaxConcurrentJobs: 4,
		OnThresholdExceeded: func(metrics *resource.SystemMetrics, reason string) {
			auditLogger.ResourceThrottle(reason, map[string]interface{}{
				"cpu":    metrics.CPUPercent,
				"memory": metrics.MemoryPercent,
			})
		},
	})
	controller.Start(ctx)
	defer controller.Stop()

	// 3. Initialize chunk manager (for large reports)
	chunkManager, _ := chunk.NewManager(&chunk.Config{
		AutoCleanupOnUpload:     true,
		CleanupOnReportComplete: true,
		MaxStorageMB:            500,
	})
	defer chunkManager.Close()

	// 4. Initialize async pipeline
	uploadPipeline := pipeline.NewPipeline(&pipeline.PipelineConfig{
		QueueSize: 1000,
		Workers:   3,
		OnCompleted: func(item *pipeline.QueueItem, result *pipeline.Result) {
			auditLogger.Info(audit.EventUploadCompleted, "Upload completed", map[string]interface{}{
				"report_id": result.ReportID,
				"findings":  result.FindingsCreated,
			})
		},
	}, uploader)
	uploadPipeline.Start(ctx)
	defer uploadPipeline.Stop(ctx)

	// 5. Main job loop
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-jobQueue:
			// Check resource availability
			if !controller.AcquireSlot(ctx) {
				auditLogger.Info(audit.EventResourceWarning, "Job queued due to resource limits", nil)
				requeue(job)
				continue
			}

			go func(j Job) {
				defer controller.ReleaseSlot()

				auditLogger.JobStarted(j.ID, j.Type, nil)

				// Execute scan
				report, err := executeJob(ctx, j)
				if err != nil {
					auditLogger.JobFailed(j.ID, err, nil)
					return
				}

				// Submit to async pipeline (non-blocking)
				if _, err := uploadPipeline.Submit(report, pipeline.WithJobID(j.ID)); err != nil {
					// Queue full, use chunk manager for persistence
					chunkManager.SubmitReport(ctx, report)
				}

				auditLogger.JobCompleted(j.ID, time.Since(start), nil)
			}(job)
		}
	}
}

// Job is what the example's queue holds.
type Job struct{ ID, Type string }

var (
	start    = time.Now()
	jobQueue = make(chan Job, 16)
	received sdktest.Uploader
	uploader pipeline.Uploader = &received
)

// requeue offers a job again, a moment later.
func requeue(j Job) { time.AfterFunc(10*time.Millisecond, func() { jobQueue <- j }) }

func executeJob(_ context.Context, j Job) (*report.Report, error) {
	r := sdktest.Report(3)
	r.Metadata.ID = "report-of-" + j.ID
	return r, nil
}

// The example compiles, and does what it says: every job is in the audit log and its report at the receiver when a
// signal ends it.
func TestIntegrationExampleRuns(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send itself the signal that ends the example")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		integration()
	}()
	want := map[string]int{"job_started": 4, "job_completed": 4, "upload_completed": 4}
	for _, id := range []string{"a", "b", "c", "d"} {
		jobQueue <- Job{ID: id, Type: "scan"}
	}
	if err := received.WaitFor(ctx, 4); err != nil {
		t.Error(err)
	}
	log := filepath.Join(home, ".rediver", "audit.log")
	for !holds(events(t, log), want) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Fatal("the example does not end by a signal")
	}
	if got := events(t, log); !holds(got, want) {
		t.Errorf("the audit log holds %v, want %v", got, want)
	}
	for _, r := range received.Reports() {
		if len(r.Findings) != 3 {
			t.Errorf("report %s has %d findings", r.Metadata.ID, len(r.Findings))
		}
	}
	if _, err := os.Stat(filepath.Join(home, ".rediver", "chunks.db")); err != nil {
		t.Error(err)
	}
}

// events counts the whole lines of an audit log by type.
func events(t *testing.T, path string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	n := map[string]int{}
	lines := bytes.Split(b, []byte("\n"))
	for _, line := range lines[:len(lines)-1] { // what follows the last line end is half a line, or nothing
		var e audit.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		n[string(e.Type)]++
	}
	return n
}

func holds(have, want map[string]int) bool {
	for k, n := range want {
		if have[k] != n {
			return false
		}
	}
	return true
}
