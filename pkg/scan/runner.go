package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
)

// Runner runs scanners. Its methods may be called concurrently. It has no goroutines but those of scanner servers, which
// Close stops.
type Runner struct {
	cfg      Config
	contain  *proc.Containment
	versions versions
	history  history
	servers  servers
	events   *event.Outlet
}

// NewRunner returns a Runner. The error names every field of cfg that is out of range, or says why Config.Containment is
// not to be had.
func NewRunner(cfg Config) (*Runner, error) {
	if cfg.Table == nil {
		cfg.Table, _ = NewTable() // the built-in definitions are valid, as a test shows
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg.withDefaults(), events: event.NewOutlet(cfg.Sink)}
	var err error
	if r.contain, err = proc.Contain(proc.Level(cfg.Containment)); err != nil {
		return nil, err
	}
	r.history.keep, r.history.path = r.cfg.LearnScans, r.cfg.LearnFile
	r.history.bad = func(err error) { r.historyProblem("what scans take is learned anew: its file is damaged", err) }
	return r, nil
}

// SetDefaultSink implements event.SinkSetter.
func (r *Runner) SetDefaultSink(s event.Sink) { r.events.SetDefaultSink(s) }

// Table returns the scanners it can run.
func (r *Runner) Table() *Table { return r.cfg.Table }

// Request asks for one scan. Scanner and Target must be set.
type Request struct {
	Scanner  string        // name in the table
	Target   string        // file or directory
	JobID    string        // the job it belongs to; empty: none
	TenantID string        // of the job, for events
	ReportID string        // empty: made of JobID and Scanner, so that a repeated job has the same; without a JobID a new one
	Timeout  time.Duration // 0: Config.Timeout
	Asset    *report.Asset // what the target is; nil: a repository, named by its remote URL or else its path

	// OnMemory is told the resident memory of the scanner and all it started, in bytes, some four times a second
	// while it runs, and 0 when it is gone; Linux only. Calls come one at a time, before Scan returns, and must
	// return soon. Nil: nobody is told.
	OnMemory func(bytes int64)
}

// Scan runs a scanner on a target, reads its SARIF and writes the report. It returns when the report is closed and
// everything the scanner started is gone, and in any case within the time limit, the grace period and what the
// reading of the SARIF takes.
//
// Cancelling ctx stops the scanner and aborts the report. Any failure is an *Error. Every call ends in exactly one
// of the events scan_completed and scan_failed; scan_started comes before it if the scanner was about to start.
func (r *Runner) Scan(ctx context.Context, req Request, open OpenFunc) (*Result, error) {
	if req.ReportID == "" {
		req.ReportID = reportID(req)
	}
	begin := time.Now()
	j := &scanJob{r: r, req: req, res: &Result{}}
	err := j.run(ctx, open)
	if err != nil {
		r.failed(req, err, time.Since(begin))
		return nil, err
	}
	r.completed(req, j.res, time.Since(begin))
	return j.res, nil
}

func reportID(req Request) string {
	if req.JobID == "" {
		return report.NewID("scan")
	}
	return report.CleanID(req.JobID + "/" + req.Scanner) // no name of a scanner has a slash, so no two pairs meet
}

func (r *Runner) event(t event.Type, req Request, message string, details map[string]any) event.Event {
	details["scanner"], details["target"] = req.Scanner, req.Target
	return event.Event{
		Timestamp: time.Now(), Type: t, TenantID: req.TenantID, JobID: req.JobID, ReportID: req.ReportID,
		Message: message, Details: details,
	}
}

func (j *scanJob) started() {
	details := j.size.details()
	details["path"] = j.path
	j.r.events.Record(j.r.event(event.ScanStarted, j.req, j.req.Scanner+" starts", details))
}

// warnOfMemory says that the scanner is over its soft limit.
func (j *scanJob) warnOfMemory(bytes int64) {
	cfg := &j.r.cfg
	message := fmt.Sprintf("%s uses %d bytes of memory, its soft limit is %d", j.req.Scanner, bytes, cfg.SoftMemoryLimitBytes)
	j.res.warn(message)
	e := j.r.event(event.ResourceWarning, j.req, message, map[string]any{
		"resource": "scanner_memory", "value": bytes, "limit": cfg.SoftMemoryLimitBytes, "unit": "bytes",
	})
	e.Severity = event.Warn
	j.r.events.Record(e)
}

func (r *Runner) completed(req Request, res *Result, d time.Duration) {
	details := usage(res.Process)
	details["findings"], details["parts"], details["partial"] = res.Summary.Findings, res.Summary.Parts, res.Partial
	e := r.event(event.ScanCompleted, req, fmt.Sprintf("%s found %d", req.Scanner, res.Summary.Findings), details)
	e.Duration = d
	if len(res.Warnings) > 0 {
		e.Severity = event.Warn
		details["warnings"] = res.Warnings
	}
	r.events.Record(e)
}

func (r *Runner) failed(req Request, err error, d time.Duration) {
	var se *Error
	errors.As(err, &se)
	details := usage(se.Process)
	details["cause"] = string(se.Cause)
	if len(se.Stderr) > 0 {
		details["stderr"] = se.Stderr
	}
	e := r.event(event.ScanFailed, req, req.Scanner+" failed", details)
	e.Severity, e.Error, e.Duration = event.Error, err.Error(), d
	r.events.Record(e)
}

func (r *Runner) historyProblem(message string, err error) {
	r.events.Record(event.Event{Timestamp: time.Now(), Type: event.AgentError, Severity: event.Warn, Message: message, Error: err.Error()})
}

// usage returns the details of a process, an empty map without one.
func usage(p *Process) map[string]any {
	if p == nil {
		return map[string]any{}
	}
	return map[string]any{
		"exit_code": p.ExitCode, "peak_memory_bytes": p.PeakMemory, "cpu_ms": p.CPU.Milliseconds(),
		"peak_processes": p.PeakProcesses, "peak_threads": p.PeakThreads,
		"leftovers": p.Leftovers, "survivors": p.Survivors, "containment": string(p.Containment),
	}
}
