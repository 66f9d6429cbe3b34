package sarif

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// Writer writes findings as SARIF 2.1.0, one at a time, so that memory depends on the number of rules but not on the
// number of findings. The same findings in the same order give the same bytes.
//
// Reading the file gives the same findings again, whatever their origin, within the Limits of the reader. The exceptions
// are Finding.AssetRef, and the property "tool" that is added to findings of all tools but the first. A field that SARIF has
// a place for is written there, so that any other tool can read it. All others are in the property "rediver/finding" of the
// result. Code flows, fixes and other parts that a report holds as SARIF are written unchecked.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	w     *bufio.Writer
	err   error // the first error; nothing is written after it
	runs  int
	ended bool
	run   *writtenRun // nil between runs
}

// NewWriter returns a Writer to w. It writes nothing to w before a finding is added or the Writer is closed.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 32<<10)} }

// errClosed is returned by Begin and Add after Close.
var errClosed = errors.New("sarif: the writer is closed")

// ErrTooManyRuns is returned by Writer.Begin for more runs than a reader accepts by default.
var ErrTooManyRuns = fmt.Errorf("sarif: more than %d runs", DefaultMaxRuns)

const beginning = `{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[`

// Begin ends the current run and begins another, of head's tool. Success, end time and repository of the run come from
// head's metadata, and the asset of findings that name none is head's first one. A nil head means an unknown tool.
func (w *Writer) Begin(head *report.Report) error {
	if w.ended && w.err == nil {
		w.err = errClosed
	}
	if w.runs == DefaultMaxRuns && w.err == nil {
		w.err = ErrTooManyRuns
	}
	w.endRun()
	lead := ","
	if w.runs == 0 {
		lead = beginning
	}
	w.print(lead + "\n{\"results\":[")
	w.runs++
	w.run = newWrittenRun(head)
	return w.err
}

// Add writes a finding. It neither retains nor changes f. After an error for a finding that cannot be encoded the Writer
// can still be used; an error of the underlying writer is final.
func (w *Writer) Add(f *report.Finding) error {
	if w.run == nil && w.err == nil {
		if err := w.Begin(nil); err != nil {
			return err
		}
	}
	if w.err != nil {
		return w.err
	}
	line, err := w.run.result(f)
	if err != nil {
		return fmt.Errorf("sarif: write finding: %w", err)
	}
	lead := ",\n"
	if w.run.results == 0 {
		lead = "\n"
	}
	w.run.results++
	w.print(lead)
	w.print(string(line))
	return w.err
}

// Close ends the file, which is incomplete without it. It does not close the underlying writer. Close may be called more
// than once.
func (w *Writer) Close() error {
	if w.ended {
		return w.err
	}
	w.endRun()
	if w.runs == 0 {
		w.print(beginning)
	}
	w.print("]}\n")
	w.ended = true
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

func (w *Writer) endRun() {
	if w.run == nil || w.err != nil {
		return
	}
	tail, err := w.run.tail()
	w.err = err
	w.print("\n],")
	w.print(strings.TrimPrefix(string(tail), "{"))
	w.run = nil
}

func (w *Writer) print(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}
