package sarif

import (
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/report"
)

// maxRejected bounds Summary.Rejected.
const maxRejected = 100

// Summary counts what Findings read. Results = Findings + Quarantined, always.
type Summary struct {
	Results     int // results begun in the file
	Findings    int // of these, emitted
	Suppressed  int // of the emitted, those with a Suppression
	Quarantined int // of the results, those that cannot be read or that emit found too large
	// SuppressedBySeverity counts the suppressed ones by severity; nil if there are none.
	SuppressedBySeverity map[report.Severity]int `json:",omitempty"`
	// Rejected lists the quarantined results, the first 100 of them.
	Rejected []Rejected
	// Partial says that the file ends early, or stops being JSON: there may have been more results. A report of
	// it must not claim full coverage.
	Partial bool
	// Unsuccessful says that a tool declared its run failed, or met an error while it ran.
	Unsuccessful bool
	// Unknown is the number of runs that say nothing of results, which is not the same as having none.
	Unknown int
	// Warnings says what was odd about the file, at most 101 lines.
	Warnings []string
}

// Rejected is a result that is no finding, and why.
type Rejected struct {
	Run    int   // index of the run
	Index  int   // index of the result in its run
	Offset int64 // in the file, in bytes; in UTF-16 files: in their text as UTF-8
	Reason string
}

// reader is the state of the second pass.
type reader struct {
	*File
	w     *walker
	emit  func(*report.Finding) error
	sum   Summary
	runAt int // index of the current run
	index int // of the next result in it
}

// errNewRun ends the second pass where it meets a run that the first did not: the file has changed, or what it has
// in place of JSON reads differently when other values are skipped.
var errNewRun = errors.New("a run that was not there in the first pass")

// emitError carries an error of emit through the walk.
type emitError struct{ error }

// Findings reads the results and calls emit for each, in the order of the file; emit may keep the finding. A
// suppressed result is a finding with its Suppression set.
//
// An error of emit ends it and is returned as it is, but a *report.TooLargeError, which quarantines that result
// alone. A file that ends early is no error: its findings are emitted and Summary.Partial is set. Other errors
// are those of the underlying reader. Findings may be called again.
func (f *File) Findings(emit func(*report.Finding) error) (Summary, error) {
	in, err := f.in.json()
	if err != nil {
		return Summary{}, err
	}
	rd := &reader{File: f, w: newWalker(in, f.lim.MaxResultBytes), emit: emit, runAt: -1}
	rd.sum.Partial = f.partial
	for _, r := range f.runs {
		rd.sum.Unsuccessful = rd.sum.Unsuccessful || r.failed()
		if r.ResultsUnknown {
			rd.sum.Unknown++
		}
	}
	_, err = rd.w.object(rd.topMember)
	var end *endError
	var stop emitError
	switch {
	case errors.As(err, &stop):
		err = stop.error
	case errors.As(err, &end):
		err = nil
		if !f.partial {
			f.warn.addf("partial: %v", end)
			f.partial, rd.sum.Partial = true, true
		}
	case err != nil:
		err = fmt.Errorf("sarif: results: %w", err)
	}
	rd.sum.Warnings = f.warn.all()
	return rd.sum, err
}

// failed says whether the tool declares its run a failure, or met an error.
func (r *run) failed() bool {
	return r.ExecutionSuccessful != nil && !*r.ExecutionSuccessful || len(r.Notifications) > 0
}

func (rd *reader) topMember(key string) error {
	if key != "runs" {
		return rd.skip()
	}
	_, err := rd.w.array(func() error {
		rd.runAt++
		rd.index = 0
		if rd.runAt >= len(rd.runs) {
			return &endError{rd.w.offset(), errNewRun}
		}
		_, err := rd.w.object(func(key string) error {
			if key != "results" {
				return rd.skip()
			}
			_, err := rd.w.array(rd.result)
			return err
		})
		return err
	})
	return err
}

func (rd *reader) skip() error {
	_, _, err := rd.w.skip()
	return err
}

// result reads the next result. Only an error that ends the walk is returned.
func (rd *reader) result() error {
	raw, err := rd.w.value()
	offset := rd.w.offset() - int64(len(raw))
	var bad *badValueError
	var end *endError
	switch {
	case errors.As(err, &bad):
		rd.reject(bad.offset, bad.reason)
		return nil
	case errors.As(err, &end):
		rd.reject(end.offset, end.reason)
		return err
	case err != nil:
		return err
	}
	res, err := parseResult(raw, rd.lim.MaxDepth)
	if err != nil {
		rd.reject(offset, err)
		return nil
	}
	fd := rd.finding(rd.runs[rd.runAt], res)
	err = rd.emit(fd)
	var large *report.TooLargeError
	switch {
	case errors.As(err, &large):
		rd.reject(offset, err)
		return nil
	case err != nil:
		return emitError{err}
	}
	rd.sum.Results++
	rd.sum.Findings++
	rd.index++
	if fd.Suppression != nil {
		rd.sum.Suppressed++
		if rd.sum.SuppressedBySeverity == nil {
			rd.sum.SuppressedBySeverity = map[report.Severity]int{}
		}
		rd.sum.SuppressedBySeverity[fd.Severity]++
	}
	return nil
}

func (rd *reader) reject(offset int64, reason error) {
	rd.sum.Results++
	rd.sum.Quarantined++
	if len(rd.sum.Rejected) < maxRejected {
		rd.sum.Rejected = append(rd.sum.Rejected, Rejected{rd.runAt, rd.index, rd.at(offset), cut(reason.Error(), 512)})
	}
	rd.index++
}
