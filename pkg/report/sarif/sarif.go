// Package sarif reads and writes SARIF 2.1.0, the format in which scanners write what they found, finding by finding, so
// that memory does not depend on the size of the file.
//
// A file is read twice. [Open] takes the header: tools, rules, URI bases, invocations, and how many results there
// are; it is there in full before the first result, in whatever order the file has its keys. [File.Findings] takes
// the results.
//
// Every file is taken for hostile. A result that is too large, too deep or no JSON is quarantined: counted, listed
// with its place, and the stream goes on behind it. A file that ends early gives what is in it, and says partial.
//
// # What becomes of a result
//
// What a finding has a field for goes there. The result's own properties become those of the finding. Beside them
// stand, where there is something to say:
//
//	sarif              what the finding has no field for, under its SARIF name, and the level as it was written
//	security-severity  of the rule
//	precision          of the rule
//	tool               the name of the run's tool, where it is not that of the file's first run
//	outside_root       true: the path is not below Options.Root
//	withheld           what was taken out of a secret's finding because the scanner had not redacted it
//
// A [Writer] puts all of it back to where it was.
//
// The severity is that of security-severity (9 critical, 7 high, 4 medium), else that of the level; a secret
// without either is high.
package sarif

import (
	"io"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// Options says how a file is read. The zero value works.
type Options struct {
	// Limits bounds what a file may hold.
	Limits Limits
	// Root is the directory that was scanned. Absolute paths and file: URIs below it become relative to it; a
	// path outside it is kept and marked with the property "outside_root". Empty: absolute paths stay as they
	// are, and only relative paths that climb with ".." are marked.
	Root string
	// AssetRef, AssetValue and AssetType are put into every finding.
	AssetRef, AssetValue, AssetType string
	// Type is put into every finding. Empty: by tool, e.g. secret for gitleaks, misconfiguration for checkov,
	// vulnerability for tools this package does not know.
	Type string
}

// File is an open SARIF file. It is used by one goroutine at a time.
type File struct {
	in   *input
	opt  Options
	lim  Limits
	runs []*run
	root []string // Root, cleaned, in its spellings
	links

	warn    warnings
	partial bool // the file ends early
}

// Run is one run of one tool. Tool.Name is never empty.
type Run struct {
	Tool report.Tool
	// Rules is the number of rules the tool and its extensions describe.
	Rules int
	// Results is the number of results. It is 0 and ResultsUnknown is set where the file has no array of
	// results, which means that nobody knows, not that nothing was found.
	Results        int
	ResultsUnknown bool
	// ExecutionSuccessful is what the invocations say: false if one says false, nil if none says anything.
	ExecutionSuccessful *bool
	// Notifications are the errors the tool had, at most 100.
	Notifications []Notification
	// StartTime and EndTime span the invocations; zero where not given.
	StartTime, EndTime time.Time
	// VersionControl is the state of the repository that was scanned, nil where not given.
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

// Open reads the header of a SARIF file. r is read again by Findings, so it must stay open, and the same, until
// then. UTF-8 with or without BOM and UTF-16 are read, as is a file with log lines before the JSON.
//
// It returns ErrEmpty, ErrNotJSON, ErrNotSARIF, a *VersionError, an *EncodingError or a *LimitError for a file that
// it refuses, and the error of r. A file that ends early is not refused if it holds the beginning of a run.
func Open(r io.ReadSeeker, opt Options) (*File, error) {
	if err := opt.Limits.Validate(); err != nil {
		return nil, err
	}
	f := &File{opt: opt, lim: opt.Limits.withDefaults(), root: rootSpellings(opt.Root), links: newLinks(opt.Root)}
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

// Runs returns the runs of the file, in its order.
func (f *File) Runs() []Run {
	out := make([]Run, len(f.runs))
	for i, r := range f.runs {
		out[i] = r.Run
		out[i].Notifications = slices.Clone(r.Notifications)
	}
	return out
}
