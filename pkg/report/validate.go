package report

import (
	"errors"
	"fmt"
)

// Validate returns all problems of the report, at most 100, in one error. An empty version, ID, timestamp or fingerprint
// is valid, because these fields are set at submission.
func (r *Report) Validate() error {
	if r == nil {
		return errors.New("report is nil")
	}
	var errs []error
	add := func(format string, args ...any) {
		if len(errs) < maxProblems {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if r.Version != "" && r.Version != SchemaVersion {
		add("version %q: want %q", r.Version, SchemaVersion)
	}
	if id := r.Metadata.ID; id != "" {
		if err := CheckID("metadata.id", id); err != nil {
			errs = append(errs, err)
		}
	}
	if r.Tool != nil && r.Tool.Name == "" {
		add("tool.name is empty")
	}
	for i, a := range r.Assets {
		switch {
		case a == nil:
			add("assets[%d] is null", i)
		case a.Type == "" || a.Value == "":
			add("assets[%d]: type %q and value %q must both be set", i, a.Type, a.Value)
		}
	}
	for i, f := range r.Findings {
		switch {
		case f == nil:
			add("findings[%d] is null", i)
		case f.Type == "" || f.Title == "":
			add("findings[%d]: type %q and title %q must both be set", i, f.Type, f.Title)
		case f.Severity.Rank() < 0:
			add("findings[%d].severity %q: want critical, high, medium, low or info", i, f.Severity)
		}
	}
	for i, d := range r.Dependencies {
		switch {
		case d == nil:
			add("dependencies[%d] is null", i)
		case d.Name == "":
			add("dependencies[%d].name is empty", i)
		}
	}
	return errors.Join(errs...)
}

// maxProblems is the maximum number of problems that Validate reports.
const maxProblems = 100
