package scan

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/report"
)

// scanJob is one scan. Its steps fill the fields in the order they are listed.
type scanJob struct {
	r       *Runner
	req     Request
	res     *Result
	missing bool // the target is to be one that does not exist

	def    Definition
	inv    invocation // of def, by prepare
	path   string     // of the executable
	target string     // absolute, without symbolic links
	root   string     // the target, or the directory of a target that is a file
	size   targetSize
	asset  *report.Asset
	branch *report.Branch
	dir    string // private, removed at the end
	output string // the SARIF
	start  time.Time
}

func (j *scanJob) run(ctx context.Context, open OpenFunc) error {
	if err := j.resolve(); err != nil {
		return err
	}
	var err error
	if j.dir, err = makeDir(j.r.cfg.Dir); err != nil {
		return j.fail(CauseStart, err)
	}
	defer removeAll(j.dir) // what cannot be removed now is swept at the next start
	spec, err := j.prepare()
	if err != nil {
		return j.fail(CauseStart, err)
	}
	version := j.r.version(ctx, &j.def, j.path)

	j.started()
	j.start = time.Now()
	if j.def.Server.enabled() {
		if err := j.request(ctx, spec.Timeout); err != nil {
			return err
		}
		return j.report(ctx, version, open)
	}
	ended, err := proc.Run(ctx, spec)
	if err != nil {
		if ctx.Err() != nil {
			return j.fail(stopCause(ctx), err)
		}
		return j.fail(CauseStart, err)
	}
	err = j.judge(ended, spec)
	j.learn(err)
	if err != nil {
		return err
	}
	return j.report(ctx, version, open)
}

// resolve finds scanner and target.
func (j *scanJob) resolve() (err error) {
	var ok bool
	if j.def, ok = j.r.cfg.Table.Lookup(j.req.Scanner); !ok {
		known := strings.Join(j.r.cfg.Table.Names(), ", ")
		return j.fail(CauseScanner, fmt.Errorf("no such scanner in the table, which has: %s", known))
	}
	if j.path, err = find(j.def.Command, j.r.cfg.BinDirs); err != nil {
		return j.fail(CauseScanner, fmt.Errorf("not installed: %w", err))
	}
	if j.missing {
		j.target, j.root, j.asset = j.req.Target, filepath.Dir(j.req.Target), &report.Asset{ID: "target", Type: "repository", Value: j.req.Target}
		return nil
	}
	// An absolute path is never taken for an option, and a scanner that resolves links names the files alike.
	if j.target, err = filepath.Abs(j.req.Target); err == nil {
		j.target, err = filepath.EvalSymlinks(j.target)
	}
	if err == nil {
		err = j.inspect()
	}
	if err != nil {
		return j.fail(CauseTarget, err)
	}
	return nil
}

// prepare fills the private directory and describes the child.
func (j *scanJob) prepare() (proc.Spec, error) {
	cfg := &j.r.cfg
	in := func(name string) string { return filepath.Join(j.dir, name) }
	for _, name := range []string{"work", "tmp", "config", "out"} {
		if err := os.Mkdir(in(name), 0o700); err != nil {
			return proc.Spec{}, err
		}
	}
	config := filepath.Join(in("config"), cmp.Or(j.def.ConfigName, defaultConfigName))
	if j.def.Config != "" {
		if err := os.WriteFile(config, []byte(j.def.Config), 0o600); err != nil {
			return proc.Spec{}, err
		}
	}
	j.output = filepath.Join(in("out"), cmp.Or(j.def.OutputName, defaultOutputName))
	var err error
	if j.inv, err = j.r.invocation(&j.def, j.path, j.dir); err != nil {
		return proc.Spec{}, err
	}
	j.inv.places["{target}"], j.inv.places["{config}"] = j.target, config
	j.inv.places["{output}"], j.inv.places["{output_dir}"] = j.output, in("out")
	spec := proc.Spec{
		Path: j.path, Args: j.inv.arguments(), Dir: in("work"),
		Env: environment(j.inv.env(), in("tmp"), cfg.MemoryLimitBytes), Marker: proc.MakeMarker(report.CleanID(j.req.ReportID)),
		Stdout: in("stdout"), Stderr: in("stderr"), Report: j.output,
		Timeout: cfg.Timeout, Grace: cfg.Grace, MaxOutputBytes: cfg.MaxOutputBytes, MaxLogBytes: cfg.MaxLogBytes,
		MaxFileBytes: cfg.MaxFileBytes, Nice: cfg.Nice, Contain: j.r.contain, Record: in(recordName),
		MemoryBytes: cfg.MemoryLimitBytes, SoftMemoryBytes: cfg.SoftMemoryLimitBytes, CPUTime: cfg.CPULimit,
		MaxProcesses: cfg.MaxProcesses, StuckTimeout: cfg.StuckTimeout, SampleInterval: cfg.SampleInterval,
		OnSoftMemory: j.warnOfMemory,
	}
	if tell := j.req.OnMemory; tell != nil {
		spec.OnSample = func(u proc.Usage) { tell(u.Memory) }
	}
	if j.def.Stdout {
		j.output, spec.Report = spec.Stdout, ""
	}
	if j.def.InTarget || !j.inv.isolated {
		spec.Dir = j.root
	}
	if j.req.Timeout > 0 {
		spec.Timeout = j.req.Timeout
	}
	return spec, nil
}

// fail returns the error of the scan, with what is known of its process.
func (j *scanJob) fail(cause Cause, err error) error {
	e := &Error{Scanner: j.req.Scanner, Cause: cause, ExitCode: -1, Stderr: j.res.StderrTail, Process: j.res.Process, Err: err}
	if e.Process != nil {
		e.ExitCode = e.Process.ExitCode
	}
	return e
}
