package scan

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// The trials of a scanner, in the order of Check.Trials.
const (
	TrialClean   = "clean"          // a small target without a flaw: nothing may be found
	TrialFlawed  = "flawed"         // the same with one: something must be found
	TrialMissing = "missing target" // a target that does not exist: as Definition.MissingTarget says
)

// Check is what came out when a scanner was tried.
type Check struct {
	Scanner string
	Path    string // of the executable; empty: not installed
	Version string
	Err     error // why it could not be tried; nil: Trials has all that its definition allows
	Trials  []Trial
}

// Trial is one run of a scanner on a small target.
type Trial struct {
	Name    string // TrialClean and so on
	Want    string // the verdict that shows that all is well: "clean", "findings" or "error"
	Verdict string // one of the same
	Took    time.Duration
	Result  *Result // nil when the verdict is "error"
	Err     error   // with the verdict "error": what the scan failed with
}

// The verdicts of a trial.
const (
	VerdictClean    = "clean"
	VerdictFindings = "findings"
	VerdictError    = "error"
)

// OK says whether the scanner did as it must.
func (t *Trial) OK() bool { return t.Verdict == t.Want }

// OK says whether the scanner is installed and passed every trial.
func (c *Check) OK() bool {
	for i := range c.Trials {
		if !c.Trials[i].OK() {
			return false
		}
	}
	return c.Err == nil
}

// Check tries a scanner on small targets that it makes for the purpose, as Scan would run it: one without a flaw, one
// with a flaw of the kind its definition names, and one that is missing. It reports to nobody but its caller. Cancelling
// ctx stops it; the trial that was under way then fails.
func (r *Runner) Check(ctx context.Context, name string) Check {
	c := Check{Scanner: name}
	d, ok := r.cfg.Table.Lookup(name)
	if !ok {
		c.Err = fmt.Errorf("no scanner %q in the table", name)
		return c
	}
	if c.Path, c.Err = find(d.Command, r.cfg.BinDirs); c.Err != nil {
		c.Err = fmt.Errorf("not installed: %w", c.Err)
		return c
	}
	c.Version = r.version(ctx, &d, c.Path)
	dir, err := makeDir(r.cfg.Dir)
	if err != nil {
		c.Err = err
		return c
	}
	defer removeAll(dir)                            // what cannot be removed now is swept at the next start
	quiet := Runner{cfg: r.cfg, contain: r.contain} // nobody hears of it, and nothing is learned
	quiet.events, quiet.cfg.LearnScans = event.NewOutlet(nil), 0
	defer quiet.Close(ctx) // ends the servers that the trials have started
	c.Err = quiet.trials(ctx, &c, &d, dir)
	return c
}

func (r *Runner) trials(ctx context.Context, c *Check, d *Definition, dir string) error {
	s := sampleOf(d.Sample)
	target, err := writeFiles(filepath.Join(dir, TrialClean), s.clean)
	if err != nil {
		return err
	}
	c.Trials = append(c.Trials, r.try(ctx, d, target, TrialClean, VerdictClean))
	if s.flawed != nil {
		if target, err = writeFiles(filepath.Join(dir, TrialFlawed), s.flawed); err != nil {
			return err
		}
		c.Trials = append(c.Trials, r.try(ctx, d, target, TrialFlawed, VerdictFindings))
	}
	if d.MissingTarget != "" && !d.InTarget {
		c.Trials = append(c.Trials, r.try(ctx, d, filepath.Join(dir, "missing"), TrialMissing, d.MissingTarget))
	}
	return nil
}

// try runs a scanner once and judges what it found. The target need not exist, unlike that of Scan.
func (r *Runner) try(ctx context.Context, d *Definition, target, name, want string) Trial {
	begin := time.Now()
	t := Trial{Name: name, Want: want, Verdict: VerdictError}
	req := Request{Scanner: d.Name, Target: target, ReportID: report.NewID("check")}
	j := &scanJob{r: r, req: req, res: &Result{}, missing: name == TrialMissing}
	t.Err = j.run(ctx, func(head *report.Report) (part.Writer, error) { return &counter{head: head}, nil })
	t.Took = time.Since(begin)
	if t.Err != nil {
		return t
	}
	t.Result, t.Verdict = j.res, VerdictClean
	if j.res.Summary.Findings > 0 {
		t.Verdict = VerdictFindings
	} else if j.res.Partial {
		t.Verdict, t.Err = VerdictError, fmt.Errorf("the scan is partial: %v", j.res.Warnings)
	}
	return t
}

// Process returns the process of the trial, nil when none was started.
func (t *Trial) Process() *Process {
	var e *Error
	switch {
	case t.Result != nil:
		return t.Result.Process
	case errors.As(t.Err, &e):
		return e.Process
	}
	return nil
}

// counter is a writer of reports that keeps nothing but how many findings there are.
type counter struct {
	head     *report.Report
	findings int
}

func (c *counter) Head() *report.Report                   { return c.head }
func (c *counter) AddAsset(*report.Asset) error           { return nil }
func (c *counter) AddDependency(*report.Dependency) error { return nil }
func (c *counter) AddFinding(*report.Finding) error       { c.findings++; return nil }
func (c *counter) Close() (part.Summary, error)           { return part.Summary{Findings: c.findings}, nil }
func (c *counter) Abort() error                           { return nil }
