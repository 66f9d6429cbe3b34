// Package sarif reads and writes SARIF 2.1.0, the output format of scanners, one finding at a time, so that memory does
// not depend on the size of the file.
//
// A file is read twice. [Open] reads the header: tools, rules, URI bases, invocations, and the number of results. It is
// complete before the first result, in whatever order the file has its members. [File.Findings] reads the results.
//
// Every file is treated as hostile. A result that is too large, nested too deeply or not valid JSON is quarantined: it is
// counted and listed with its position, and reading continues behind it. A file that ends early yields the results in
// it, and the [Summary] is marked as partial.
//
// # Mapping of results
//
// Members of a result become fields of the finding, and its properties become properties of the finding. The reader adds
// these properties if they apply:
//
//	sarif              members that a finding has no field for, under their SARIF names, and the level as it was written
//	security-severity  from the rule
//	precision          from the rule
//	tool               name of the run's tool, if it differs from that of the file's first run
//	outside_root       true if the path is not below Options.Root
//	withheld           names of the parts that were removed because they contain a secret in clear
//
// A [Writer] restores all of them to their original place.
//
// The severity follows security-severity (9 is critical, 7 high, 4 medium), or else the level. A secret without either is
// high.
package sarif

// The files in layers, from the bottom up:
//
//	errors, limits, text, members, uri       small helpers
//	utf16, input, framer, source, walker     bytes to JSON values, and skipping of invalid ones
//	root, artifact, cwe, severity, …         one part of SARIF each
//	header, tool, rules, invocation          the first pass, which fills a run
//	result, location, nested, …, finding     a result to a finding
//	findings                                 the second pass
//	original, write_…                        a finding to a result
//	writer                                   the output file
//
// The Writer reads each result back by finding, to record in a supplement what a reader would not restore.

import (
	"io"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// Options configures the reading of a file. The zero value is valid.
type Options struct {
	// Limits bounds what a file may hold.
	Limits Limits
	// Root is the directory that was scanned. Absolute paths and file: URIs below it become relative to it. A path
	// outside of it is preserved and marked with the property "outside_root". If Root is empty, absolute paths are
	// unchanged, and only relative paths that begin with ".." are marked.
	Root string
	// AssetRef, AssetValue and AssetType are set in every finding.
	AssetRef, AssetValue, AssetType string
	// Type is set in every finding. Defaults to a type by the name of the tool, such as secret for Gitleaks and
	// misconfiguration for Checkov, and to vulnerability for an unknown tool.
	Type string
}

// File is an open SARIF file. It is not safe for concurrent use.
type File struct {
	in   *input
	opt  Options
	lim  Limits
	runs []*run
	root root

	warn    warnings
	partial bool // the file ends early
}

// Run is one run of one tool. Tool.Name is never empty.
type Run struct {
	Tool report.Tool
	// Rules is the number of rules that the tool and its extensions describe.
	Rules int
	// Results is the number of results. If the run has no array of results, it is 0 and ResultsUnknown is set: the
	// file does not tell whether anything was found.
	Results        int
	ResultsUnknown bool
	// ExecutionSuccessful is false if one of the invocations failed, and nil if none tells.
	ExecutionSuccessful *bool
	// Notifications are the first 100 errors of the tool.
	Notifications []Notification
	// StartTime and EndTime span the invocations. They are zero if the file does not tell.
	StartTime, EndTime time.Time
	// VersionControl is the state of the repository that was scanned, or nil.
	VersionControl *VersionControl
}

// Notification is an error that a tool met while it ran.
type Notification struct {
	ID      string
	Message string // at most 1 KiB
}

// VersionControl is the state of a repository.
type VersionControl struct {
	RepositoryURL string
	Revision      string
	Branch        string
}

// Open reads the header of a SARIF file. Findings reads r again, so r must stay open and unchanged until then. The file
// may be UTF-8 or UTF-16, with or without a byte order mark, and may have log lines before the JSON.
//
// Open returns ErrEmpty, ErrNotJSON, ErrNotSARIF, a *VersionError, an *EncodingError or a *LimitError for a file that
// it refuses, and errors of r. It accepts a file that ends early if the file holds the beginning of a run.
func Open(r io.ReadSeeker, opt Options) (*File, error) {
	if err := opt.Limits.Validate(); err != nil {
		return nil, err
	}
	f := &File{opt: opt, lim: opt.Limits.withDefaults(), root: newRoot(opt.Root)}
	var err error
	if f.in, err = sniff(r, f.lim.MaxBytes); err != nil {
		return nil, err
	}
	if f.in.banner > 0 {
		f.warn.addf("skipped %d bytes before the JSON", f.in.banner)
	}
	if err := f.readHeader(); err != nil {
		return nil, err
	}
	return f, nil
}

// Runs returns the runs in the order of the file.
func (f *File) Runs() []Run {
	out := make([]Run, len(f.runs))
	for i, r := range f.runs {
		out[i] = r.Run
		out[i].Notifications = slices.Clone(r.Notifications)
	}
	return out
}
