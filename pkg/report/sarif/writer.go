package sarif

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rediverio/sdk/pkg/report"
)

// Writer writes findings as SARIF 2.1.0, one by one: memory depends on how many rules there are, not on how many
// findings. The same findings in the same order give the same bytes.
//
// Reading the file gives the same findings again, wherever they came from, but for Finding.AssetRef and as far as the
// Limits of the reader go; of several tools, the findings of all but the first have the property "tool" then. What SARIF has a place for stands there, for any other tool to read; what it has none for
// stands in the property "rediver/finding" of the result. Code flows, fixes and the like, which a report holds as SARIF
// already, are passed on unchecked.
//
// A Writer is used by one goroutine at a time.
type Writer struct {
	w     *bufio.Writer
	err   error // the first; nothing is written after it
	runs  int
	ended bool
	run   *writtenRun // nil between runs
}

// NewWriter returns a Writer to w. Nothing reaches w before a finding is added or the Writer is closed.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 32<<10)} }

// errClosed is what Begin and Add return behind Close.
var errClosed = errors.New("sarif: the writer is closed")

// ErrTooManyRuns is returned by Writer.Begin for more runs than a reader takes by default.
var ErrTooManyRuns = fmt.Errorf("sarif: more than %d runs", DefaultMaxRuns)

const beginning = `{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[`

// Begin begins a run, and ends the one before. The run is of head's tool; head's metadata, where it has any, says
// whether the run was successful, when it ended, and the state of which repository it is of; findings are taken to be
// about its first asset, unless they say otherwise. A nil head is a run of an unknown tool.
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

// Add writes a finding, which it does not keep or change. A finding that cannot be encoded is an error of this one
// alone; an error of the underlying writer ends the Writer.
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

// Close ends the file. It does not close the underlying writer. It is safe to call twice; without it the file is not
// complete.
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

// encode returns v as JSON in one line, in UTF-8, and without the escapes that HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !utf8.Valid(out) { // raw JSON is checked for all but that
		out = bytes.ToValidUTF8(out, []byte("\uFFFD"))
	}
	return out, nil
}
