package scantest

import (
	"sync"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// Recorder is a part.Writer that keeps what it is given, for a test to look at. The zero value is ready. Its
// fields are read when the scan has returned.
type Recorder struct {
	Report  report.Report // the head as it was at Close, with everything added
	Opened  int           // how often Open was called
	Closed  bool
	Aborted bool

	OpenErr, AddErr, CloseErr error // returned by Open, AddFinding and Close

	mu sync.Mutex // Open may be called by several scans
}

// Open is a scan.OpenFunc.
func (r *Recorder) Open(head *report.Report) (part.Writer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Opened++
	if r.OpenErr != nil {
		return nil, r.OpenErr
	}
	r.Report = *head
	return r, nil
}

// Head implements part.Writer.
func (r *Recorder) Head() *report.Report { return &r.Report }

// AddAsset implements part.Writer.
func (r *Recorder) AddAsset(a *report.Asset) error {
	r.Report.Assets = append(r.Report.Assets, a)
	return nil
}

// AddFinding implements part.Writer.
func (r *Recorder) AddFinding(f *report.Finding) error {
	if r.AddErr != nil {
		return r.AddErr
	}
	r.Report.Findings = append(r.Report.Findings, f)
	return nil
}

// AddDependency implements part.Writer.
func (r *Recorder) AddDependency(d *report.Dependency) error {
	r.Report.Dependencies = append(r.Report.Dependencies, d)
	return nil
}

// Close implements part.Writer.
func (r *Recorder) Close() (part.Summary, error) {
	if r.CloseErr != nil {
		return part.Summary{}, r.CloseErr
	}
	r.Closed = true
	s := part.Summary{
		Parts: 1, Findings: len(r.Report.Findings), Assets: len(r.Report.Assets),
		Dependencies: len(r.Report.Dependencies), BySeverity: map[report.Severity]int{},
	}
	for _, f := range r.Report.Findings {
		s.BySeverity[f.Severity]++
	}
	return s, nil
}

// Abort implements part.Writer.
func (r *Recorder) Abort() error {
	r.Aborted = !r.Closed
	return nil
}
