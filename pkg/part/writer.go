package part

import "github.com/rediverio/sdk/pkg/report"

// Writer takes a report item by item, so that a report of any size needs little memory. It is made by a
// pipeline's or chunk manager's NewWriter and used by one goroutine at a time. Exactly one of Close and Abort
// ends it; Abort after Close does nothing.
type Writer interface {
	// Head returns what the parts still to come say of the report; it may be changed until Close, e.g. when the
	// end of the input shows that the scan was partial.
	Head() *report.Report
	// AddAsset adds an asset. Add it before the findings that reference it.
	AddAsset(*report.Asset) error
	// AddFinding adds a finding. A *report.TooLargeError refuses this one alone: the writer goes on.
	AddFinding(*report.Finding) error
	// AddDependency adds a component of an SBOM.
	AddDependency(*report.Dependency) error
	// Close completes the report and hands it to the queue. Only when it returns nil has the report been accepted.
	Close() (Summary, error)
	// Abort gives the report up; nothing of it is uploaded.
	Abort() error
}
