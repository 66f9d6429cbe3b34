package scan

import (
	"time"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/report/sarif"
)

// mergeTool returns the tool of the first run, with the fields that are set in over replaced.
func mergeTool(runs []sarif.Run, over report.Tool) *report.Tool {
	tool := report.Tool{}
	if len(runs) > 0 {
		tool = runs[0].Tool
	}
	if over.Version != "" && tool.Version != "" && over.Version != tool.Version {
		props := report.Properties{"sarif_version": tool.Version} // what the tool claims, beside what it is
		for k, v := range tool.Properties {
			props[k] = v
		}
		tool.Properties = props
	}
	for _, f := range []struct{ to, from *string }{
		{&tool.Name, &over.Name}, {&tool.Version, &over.Version}, {&tool.Vendor, &over.Vendor}, {&tool.InfoURL, &over.InfoURL},
	} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	if tool.Name == "" {
		tool.Name = "unknown"
	}
	return &tool
}

// endOf returns when the last run ended, or now.
func endOf(runs []sarif.Run) time.Time {
	var end time.Time
	for _, r := range runs {
		if r.EndTime.After(end) {
			end = r.EndTime
		}
	}
	if end.IsZero() {
		return time.Now().UTC()
	}
	return end
}

// branchOf returns the state of the repository as the file gives it.
func branchOf(runs []sarif.Run) *report.Branch {
	for _, r := range runs {
		if v := r.VersionControl; v != nil {
			return &report.Branch{Name: v.Branch, CommitSHA: v.Revision, RepositoryURL: stripCredentials(v.RepositoryURL)}
		}
	}
	return nil
}
