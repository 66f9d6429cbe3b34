package scan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/internal/tail"
	"github.com/rediverio/sdk/pkg/report"
)

// judge decides whether the scanner ended as a successful one does.
func (j *scanJob) judge(ended *proc.Result, spec proc.Spec) error {
	p := newProcess(j.path, ended)
	j.res.Process = p
	if j.res.StderrTail = tail.File(spec.Stderr); len(j.res.StderrTail) == 0 && !j.def.Stdout {
		j.res.StderrTail = tail.File(spec.Stdout) // where some say what is wrong
	}
	j.warnOf(p, spec)
	if p.Cause != CauseExit {
		return j.fail(p.Cause, stopReason(p, ended.File, spec))
	}
	if p.Signal != "" {
		return j.fail(CauseExit, fmt.Errorf("ended by signal %q from outside: perhaps the host ran out of memory", p.Signal))
	}
	if codes := j.def.ExitCodes; !codes.clean(p.ExitCode) && !codes.findings(p.ExitCode) {
		what := "is not declared"
		if slices.Contains(codes.Error, p.ExitCode) {
			what = "is declared as a failure"
		}
		return j.fail(CauseExit, fmt.Errorf("exit code %d %s: %s", p.ExitCode, what, codes))
	}
	return nil
}

func (j *scanJob) warnOf(p *Process, spec proc.Spec) {
	if (spec.MemoryBytes > 0 || spec.CPUTime > 0) && !proc.Supported().Memory {
		j.res.warn("this system cannot limit the memory or CPU time of a scanner")
	}
	// What a scanner did without a process that it was not given, or that was killed, it may have left out.
	if p.ForksRefused > 0 {
		j.res.partial(fmt.Sprintf("it was refused a process %d times: its limit is %d", p.ForksRefused, spec.MaxProcesses))
	}
	if p.OOMKills > 0 {
		j.res.partial(fmt.Sprintf("the kernel killed %d of its processes for want of memory", p.OOMKills))
	}
	if _, err := os.Stat(j.target); err != nil && !j.missing {
		j.res.partial(fmt.Sprintf("the target went away during the scan: %v", err))
	}
	if p.Leftovers > 0 {
		j.res.warn(fmt.Sprintf("%d processes were still running when the scanner had ended, and were killed", p.Leftovers))
	}
	if p.Survivors > 0 {
		j.res.warn(fmt.Sprintf("%d processes of the scanner could not be killed", p.Survivors))
	}
}

// stopReason says why the scanner was stopped. file is what was over the output limit.
func stopReason(p *Process, file string, spec proc.Spec) error {
	switch p.Cause {
	case CauseTimeout:
		limit := "the caller's deadline"
		if spec.Timeout > 0 && p.Duration >= spec.Timeout {
			limit = "its time limit of " + spec.Timeout.String()
		}
		return fmt.Errorf("stopped after %s by %s", p.Duration.Round(time.Millisecond), limit)
	case CauseMemory:
		return fmt.Errorf("stopped at %d bytes of memory, its limit is %d", p.PeakMemory, spec.MemoryBytes)
	case CauseOOM:
		return fmt.Errorf("killed by the kernel for want of memory, it had %d bytes", max(p.PeakMemory, p.CgroupMemory))
	case CauseCPU:
		return fmt.Errorf("stopped after %s of CPU time, its limit is %s", p.CPU.Round(time.Millisecond), spec.CPUTime)
	case CauseProcesses:
		return fmt.Errorf("stopped with %d processes, its limit is %d", p.PeakProcesses, spec.MaxProcesses)
	case CauseStuck:
		return fmt.Errorf("stopped after %s, as it used no CPU time and wrote nothing for %s", p.Duration.Round(time.Millisecond), spec.StuckTimeout)
	case CauseOutput:
		limit := spec.MaxOutputBytes
		if file == spec.Stderr {
			limit = spec.MaxLogBytes
		}
		return fmt.Errorf("stopped as its %s was over %d bytes", filepath.Base(file), limit)
	case CauseShutdown:
		return ErrShutdown
	}
	return context.Canceled
}

// stopCause says why ctx ended.
func stopCause(ctx context.Context) Cause {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrShutdown):
		return CauseShutdown
	case errors.Is(cause, context.DeadlineExceeded):
		return CauseTimeout
	}
	return CauseCancel
}

// report reads the SARIF and writes the report.
func (j *scanJob) report(ctx context.Context, version string, open OpenFunc) error {
	src, err := j.openOutput()
	if err != nil {
		return j.fail(CauseSarif, err)
	}
	defer src.Close() // opened for reading
	head := &report.Report{Metadata: report.Metadata{
		ID: j.req.ReportID, Timestamp: time.Now().UTC(), DurationMS: j.res.Process.Duration.Milliseconds(),
		SourceType: report.SourceScanner, SourceRef: j.req.JobID, Branch: j.branch,
		Scope:      &report.Scope{Name: filepath.Base(j.target), Type: j.asset.Type, Includes: []string{j.target}},
		Properties: j.properties(),
	}}
	opt := ImportOptions{
		Asset: j.asset, Root: j.root, Type: j.def.Type, Limits: j.r.cfg.SarifLimits, Tool: report.Tool{Version: version},
	}
	codes, code := j.def.ExitCodes, j.res.Process.ExitCode
	im := importer{opt: opt, head: head, res: j.res, foundSome: codes.findings(code) && !codes.clean(code), omits: j.def.OmitsEmpty}
	if err := im.run(ctx, src, open); err != nil {
		var we *writeError
		switch {
		case ctx.Err() != nil:
			return j.fail(stopCause(ctx), err)
		case errors.As(err, &we):
			return j.fail(CauseReport, err)
		}
		return j.fail(CauseSarif, err)
	}
	return nil
}

// properties are what the report says of how it came about: the process, and what there was to scan.
func (j *scanJob) properties() report.Properties {
	p := report.Properties(usage(j.res.Process))
	maps.Copy(p, j.size.details())
	p["scanner"], p["arguments"] = j.def.Name, j.inv.template()
	if !j.inv.isolated {
		p["target_config"] = true
	}
	return p
}

// openOutput opens the SARIF that this run has written.
func (j *scanJob) openOutput() (*os.File, error) {
	info, err := os.Lstat(j.output)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("exit code %d, but no SARIF was written", j.res.Process.ExitCode)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the SARIF is no regular file but %s", info.Mode().Type())
	case info.ModTime().Before(j.start.Add(-clockSlack)):
		return nil, fmt.Errorf("the SARIF is of %s, before the scan", info.ModTime().Format(time.RFC3339))
	}
	return os.Open(j.output)
}

// clockSlack is how far the clock of a file system may be behind.
const clockSlack = 2 * time.Second
