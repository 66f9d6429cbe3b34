// Package auditlog reads the logs that package audit writes. Query returns their events, over all rotated and compressed
// files and while the log is written. Verify proves that every line is there and as it was written.
package auditlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// Filter says which events of a log Query returns, and in which order. What is set narrows; the zero value is every
// event, oldest first.
type Filter struct {
	Since, Until time.Time      // events of Since and later, and before Until; zero: no bound
	Types        []event.Type   // one of these; empty: any but audit_opened and audit_rotated, which only begin and end files
	Severity     event.Severity // this or worse; empty: any
	JobID        string         // empty: any
	ReportID     string         // empty: any
	Text         string         // somewhere in the event, its details included, in upper or lower case; empty: any
	After        uint64         // lines with a higher number, see Line.Seq: to go on where a query ended; 0: all
	Limit        int            // events at most; 0: all
	Newest       bool           // newest first
	Follow       bool           // at the end wait for more, until the context ends; not with Newest
}

// Validate returns every field that makes no sense, in one error.
func (f Filter) Validate() error {
	var errs []error
	add := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		add("Since: %s is not before Until, %s", f.Since.Format(time.RFC3339), f.Until.Format(time.RFC3339))
	}
	if slices.Contains(f.Types, "") {
		add("Types: one is empty")
	}
	if !slices.Contains([]event.Severity{"", event.Debug, event.Info, event.Warn, event.Error, event.Critical}, f.Severity) {
		add("Severity: %q is none of DEBUG, INFO, WARN, ERROR, CRITICAL", f.Severity)
	}
	if f.Limit < 0 {
		add("Limit: %d is negative; 0 means all", f.Limit)
	}
	if f.Newest && f.Follow {
		add("Follow: lines to come are the newest, so Newest cannot begin")
	}
	return errors.Join(errs...)
}

// Line is an event as it stands in a log.
type Line struct {
	Event event.Event
	Seq   uint64 // its number; 0: the line has none, as begin and end of a file
	File  string // name of its file
	Raw   []byte // the line without its newline; the caller's own
}

// SkippedError says what Query could not read, behind all that it could. Verify says what it means.
type SkippedError struct {
	Lines  uint64   // that are no events: half of one, too long, or not written by a log
	File   string   // name of the file of the first of these
	Offset int64    // of the first of these, uncompressed
	Files  []string // names of files that could not be read to their end
}

func (e *SkippedError) Error() string {
	var parts []string
	if e.Lines > 0 {
		parts = append(parts, fmt.Sprintf("%d lines of the audit log are no events, the first at byte %d of %s", e.Lines, e.Offset, e.File))
	}
	if len(e.Files) > 0 {
		parts = append(parts, "cannot be read to the end: "+strings.Join(e.Files, ", "))
	}
	return strings.Join(parts, "; ")
}

// Query returns the events of a log that f lets through, over all its rotated and compressed files. path is as for Verify.
//
// It may run while the log is written, and does not disturb the writer: files that are rotated, compressed or deleted
// meanwhile are followed by their identity. (Windows renames no file that is read, so there the log grows on and is rotated
// later.) Lines that stand twice, as after a failed sync, come once. It holds some 2 MiB in memory, and with Newest 16 MiB
// more when it meets a compressed file. It proves nothing: that is Verify's work.
//
// A non-nil error is the last value, and comes with no line: f's Validate, an os.ErrNotExist when there is no log, a
// *SkippedError when all is read but for what cannot be, the context's.
func Query(ctx context.Context, path string, f Filter) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		q, err := newQuery(path, f)
		if err == nil {
			q.yield = func(l Line) bool { return yield(l, nil) }
			err = q.run(ctx)
		}
		if err != nil && !errors.Is(err, errBroken) {
			yield(Line{}, err)
		}
	}
}

var (
	errBroken = errors.New("the caller wants no more")
	errLimit  = errors.New("the limit is reached")
)

// query is one run of Query.
type query struct {
	path    string
	f       Filter
	match   matcher
	repeats repeats
	yield   func(Line) bool
	given   int
	skipped SkippedError
}

func newQuery(path string, f Filter) (*query, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	path, err := logfile.FilePath(path)
	if err != nil {
		return nil, err
	}
	return &query{path: path, f: f, match: newMatcher(&f)}, nil
}

func (q *query) run(ctx context.Context) error {
	segs, err := logfile.Segments(q.path)
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	if len(segs) == 0 && !q.f.Follow {
		return fmt.Errorf("no audit log %s: %w", q.path, os.ErrNotExist)
	}
	for len(segs) > 0 && q.tooOld(&segs[0]) {
		segs = segs[1:]
	}
	if q.f.Newest {
		err = q.newest(ctx, segs)
	} else {
		err = q.oldest(ctx, segs)
	}
	if errors.Is(err, errLimit) {
		err = nil
	}
	if err == nil && (q.skipped.Lines > 0 || len(q.skipped.Files) > 0) {
		err = &q.skipped
	}
	return err
}

// clockSlack is how far the clock of a file may be off from that of its events.
const clockSlack = time.Hour

// tooOld reports whether a file ended well before Since, so that it need not be read. Its name and its modification time
// must agree, as for retention.
func (q *query) tooOld(s *logfile.Segment) bool {
	before := q.f.Since.Add(-clockSlack)
	return !q.f.Since.IsZero() && !s.Stamp.IsZero() && s.Stamp.Before(before) && s.Info.ModTime().Before(before)
}

// take gives the caller the line b if it matches. A line of which b is only a part counts as skipped.
func (q *query) take(b []byte, file *logfile.Segment, offset int64, whole bool) error {
	var l Line
	wanted, ok := false, false
	if whole {
		l, wanted, ok = q.match.line(b)
	}
	if !ok {
		if q.skipped.Lines++; q.skipped.Lines == 1 {
			q.skipped.File, q.skipped.Offset = file.Name(), offset
		}
	}
	if !ok || !wanted || l.Seq > 0 && q.repeats.seen(l.Raw) {
		return nil
	}
	l.File = file.Name()
	if !q.yield(l) {
		return errBroken
	}
	if q.given++; q.given == q.f.Limit {
		return errLimit
	}
	return nil
}

// unreadable notes a file of which the rest cannot be read. One that is gone was deleted by age or number.
func (q *query) unreadable(s *logfile.Segment, err error) {
	if !errors.Is(err, os.ErrNotExist) {
		q.skipped.Files = append(q.skipped.Files, s.Name())
	}
}
