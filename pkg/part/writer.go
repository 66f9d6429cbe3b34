package part

import "github.com/rediverio/sdk/pkg/report"

// Writer accepts a report item by item, so that a report of any size needs little memory. NewWriter of a pipeline and of
// a chunk manager return one. A Writer is not safe for concurrent use. The caller must end it by Close or Abort; Abort
// after Close does nothing.
type Writer interface {
	// Head returns the report without its items, as the following parts will contain it. The caller may change it until
	// Close, for example if the end of the input shows that the scan was partial.
	Head() *report.Report
	// AddAsset adds an asset. It must be added before the findings that reference it.
	AddAsset(*report.Asset) error
	// AddFinding adds a finding. After a *report.TooLargeError the Writer continues without the finding.
	AddFinding(*report.Finding) error
	// AddDependency adds a component of an SBOM.
	AddDependency(*report.Dependency) error
	// Close completes the report and queues it. The report is accepted only if Close returns nil.
	Close() (Summary, error)
	// Abort discards the report. Nothing of it is uploaded.
	Abort() error
}
