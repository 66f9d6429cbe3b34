package sarif

import (
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/report"
)

// maxRejected bounds Summary.Rejected.
const maxRejected = 100

// Summary counts the results that Findings read. Results is always the sum of Findings and Quarantined.
type Summary struct {
	// Results is the number of results that begin in the file.
	Results int
	// Findings is the number of findings that were emitted.
	Findings int
	// Suppressed is the number of emitted findings with a Suppression.
	Suppressed int
	// Quarantined is the number of results that could not be read, or that emit refused as too large.
	Quarantined int
	// SuppressedBySeverity counts the suppressed findings by severity. It is nil if there are none.
	SuppressedBySeverity map[report.Severity]int `json:",omitempty"`
	// Rejected lists the first 100 quarantined results.
	Rejected []Rejected
	// Partial reports that the file ends early, or is not JSON from some place on, so that results may be missing. A
	// report made from it must not claim full coverage.
	Partial bool
	// Unsuccessful reports that a tool declared its run failed, or met an error while it ran.
	Unsuccessful bool
	// Unknown is the number of runs without a list of results. Such a run may have found something.
	Unknown int
	// Warnings describes irregularities of the file, in at most 101 lines.
	Warnings []string
}

// Rejected describes a quarantined result.
type Rejected struct {
	Run    int    // index of the run
	Index  int    // index of the result in its run
	Offset int64  // position in the file in bytes; for a UTF-16 file, in its text as UTF-8
	Reason string // at most 512 bytes
}

// reader is the state of the second pass over a file.
type reader struct {
	*File
	w     *walker
	emit  func(*report.Finding) error
	sum   Summary
	runAt int // index of the current run
	index int // index of the next result in the run
}

// errNewRun ends the second pass at a run that the first pass did not meet. The file has changed, or it contains invalid
// JSON that reads differently when other values are skipped.
var errNewRun = errors.New("a run that was not there in the first pass")

// emitError carries an error of emit through the walk.
type emitError struct{ error }

// Findings reads the results and calls emit for each, in the order of the file. emit may keep the finding. A
// suppressed result is a finding with its Suppression set.
//
// Findings returns the first error of emit, unless it is a *report.TooLargeError, which only quarantines the result. A
// file that ends early is not an error: its findings are emitted and Summary.Partial is set. All other errors come
// from the underlying reader. Findings may be called more than once.
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
	err = rd.w.object(rd.topMember)
	var end *inputError
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

// failed reports whether the tool declared its run failed, or met an error.
func (r *run) failed() bool {
	return r.ExecutionSuccessful != nil && !*r.ExecutionSuccessful || len(r.Notifications) > 0
}

func (rd *reader) topMember(key string) error {
	if key != "runs" {
		return rd.w.skip()
	}
	return rd.w.array(rd.run)
}

func (rd *reader) run() error {
	rd.runAt++
	rd.index = 0
	if rd.runAt >= len(rd.runs) {
		return &inputError{rd.w.offset(), errNewRun, true}
	}
	return rd.w.object(func(key string) error {
		if key != "results" {
			return rd.w.skip()
		}
		return rd.w.array(rd.result)
	})
}

// result reads the next result. It returns only errors that end the walk.
func (rd *reader) result() error {
	raw, err := rd.w.value()
	offset := rd.w.offset() - int64(len(raw))
	if bad, ok := errors.AsType[*inputError](err); ok {
		rd.reject(bad.offset, bad.reason)
		if !bad.fatal {
			return nil
		}
	}
	if err != nil {
		return err
	}
	res, err := parseResult(raw, rd.lim.MaxDepth)
	if err != nil {
		rd.reject(offset, err)
		return nil
	}
	fd := rd.finding(rd.runs[rd.runAt], res)
	if err := rd.emit(fd); err != nil {
		if _, ok := errors.AsType[*report.TooLargeError](err); !ok {
			return emitError{err}
		}
		rd.reject(offset, err)
		return nil
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
		rd.sum.Rejected = append(rd.sum.Rejected, Rejected{rd.runAt, rd.index, rd.fileOffset(offset), truncate(reason.Error(), 512)})
	}
	rd.index++
}
