package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rediverio/sdk/internal/tail"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/report/sarif"
)

// OpenFunc opens the report that head begins: a pipeline's or chunk manager's NewWriter, with its envelope.
type OpenFunc func(head *report.Report) (part.Writer, error)

// ImportOptions says what a SARIF file is about, which the file itself does not. All fields may be empty.
type ImportOptions struct {
	ReportID  string        // empty: a new one
	JobID     string        // the source reference of the report
	Asset     *report.Asset // what was scanned; findings refer to it. Nil: the report has no asset
	Root      string        // the directory that was scanned: paths below it become relative to it
	Tool      report.Tool   // fields that are set replace what the file says of its tool
	Type      string        // of findings; empty: decided by tool
	Timestamp time.Time     // when the scan ended; zero: what the file says, or now
	Limits    sarif.Limits  // bounds of the file
}

// Import turns a SARIF file into a report, finding by finding, so that its size does not matter. src is read
// twice. The report claims full coverage under the same conditions as that of a scan; see the package comment.
//
// It returns the error of sarif.Open for a file that is refused, of open, of the writer, or of ctx. Whatever fails
// after the report was opened, the report is aborted.
func Import(ctx context.Context, src io.ReadSeeker, opt ImportOptions, open OpenFunc) (*Result, error) {
	if opt.ReportID == "" {
		opt.ReportID = report.NewID("import")
	}
	head := &report.Report{Metadata: report.Metadata{
		ID: opt.ReportID, Timestamp: opt.Timestamp, SourceType: report.SourceScanner, SourceRef: opt.JobID,
	}}
	im := importer{opt: opt, head: head, res: &Result{}}
	if err := im.run(ctx, src, open); err != nil {
		return nil, err
	}
	return im.res, nil
}

// importer makes one report of one file.
type importer struct {
	opt       ImportOptions
	head      *report.Report
	res       *Result // what it holds already, a reason to be partial included, goes into the report
	foundSome bool    // somebody else says that there are results
	omits     bool    // no list of results means that there are none
}

func (im *importer) run(ctx context.Context, src io.ReadSeeker, open OpenFunc) error {
	file, err := sarif.Open(contextReader{ctx, src}, im.sarifOptions())
	if err != nil {
		return err
	}
	runs, head := file.Runs(), im.head
	im.checkRuns(runs)
	head.Tool = mergeTool(runs, im.opt.Tool)
	if head.Metadata.Timestamp.IsZero() {
		head.Metadata.Timestamp = endOf(runs)
	}
	if head.Metadata.Branch == nil {
		head.Metadata.Branch = branchOf(runs)
	}
	im.setCoverage(head)
	im.res.ReportID, im.res.Tool = head.Metadata.ID, *head.Tool

	w, err := open(head)
	if err != nil {
		return &writeError{err}
	}
	if err := im.fill(ctx, w, file); err != nil {
		return errors.Join(err, w.Abort())
	}
	return nil
}

func (im *importer) sarifOptions() sarif.Options {
	o := sarif.Options{Limits: im.opt.Limits, Root: im.opt.Root, Type: im.opt.Type}
	if a := im.opt.Asset; a != nil {
		o.AssetRef, o.AssetValue, o.AssetType = a.ID, a.Value, a.Type
	}
	return o
}

// fill writes asset and findings and closes the report.
func (im *importer) fill(ctx context.Context, w part.Writer, file *sarif.File) error {
	if asset := im.opt.Asset; asset != nil {
		if err := w.AddAsset(asset); err != nil {
			return &writeError{err}
		}
	}
	sum, err := file.Findings(func(f *report.Finding) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := w.AddFinding(f)
		if size := (*report.TooLargeError)(nil); err == nil || errors.As(err, &size) {
			return err // a finding that is too large is set aside by itself
		}
		return &writeError{err}
	})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	im.checkSummary(sum)
	im.setCoverage(w.Head())
	if im.res.Summary, err = w.Close(); err != nil {
		return &writeError{err}
	}
	return nil
}

// checkRuns adds what the header of the file says against full coverage.
func (im *importer) checkRuns(runs []sarif.Run) {
	res, results := im.res, 0
	if len(runs) == 0 {
		res.partial("the SARIF has no runs: nothing says that anything was scanned")
	}
	for i, r := range runs {
		results += r.Results
		if r.ExecutionSuccessful != nil && !*r.ExecutionSuccessful {
			res.partial(fmt.Sprintf("run %d: %s says that its execution was not successful", i, r.Tool.Name))
		}
		if n := len(r.Notifications); n > 0 {
			res.partial(fmt.Sprintf("run %d: %s met %d errors, the first: %s", i, r.Tool.Name, n, tail.Line(r.Notifications[0].Message)))
		}
		if r.ResultsUnknown && !im.omits {
			res.partial(fmt.Sprintf("run %d: %s gives no list of results", i, r.Tool.Name))
		}
		if i > 0 && r.Tool.Name != runs[0].Tool.Name {
			res.warn(fmt.Sprintf("run %d is of %s, reported under %s", i, r.Tool.Name, runs[0].Tool.Name))
		}
	}
	if im.foundSome && results == 0 {
		res.partial("the exit code says that there are findings, the SARIF holds none")
	}
}

// checkSummary adds what the reading of the results brought to light.
func (im *importer) checkSummary(sum sarif.Summary) {
	res := im.res
	res.Sarif = sum
	res.Warnings = append(res.Warnings, sum.Warnings...)
	if sum.Partial {
		res.Partial = true
	}
	if sum.Quarantined > 0 {
		text := fmt.Sprintf("%d of %d results were set aside", sum.Quarantined, sum.Results)
		if len(sum.Rejected) > 0 {
			text += ", the first because: " + tail.Line(sum.Rejected[0].Reason)
		}
		res.partial(text)
	}
}

// maxReported is how many warnings go into a report: each of its parts carries them.
const maxReported = 20

// setCoverage makes the head of the report say what it may claim.
func (im *importer) setCoverage(head *report.Report) {
	res := im.res
	head.Metadata.CoverageType = report.CoverageFull
	if res.Partial {
		head.Metadata.CoverageType = report.CoveragePartial
	}
	if len(res.Warnings) > 0 {
		if head.Metadata.Properties == nil {
			head.Metadata.Properties = report.Properties{}
		}
		head.Metadata.Properties["warnings"] = res.Warnings[:min(len(res.Warnings), maxReported)]
	}
}

// writeError marks an error of the report's writer, apart from those of the file.
type writeError struct{ err error }

func (e *writeError) Error() string { return "write report: " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// contextReader ends with the context: a large file takes a while before its first finding.
type contextReader struct {
	ctx context.Context
	io.ReadSeeker
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.ReadSeeker.Read(p)
}
