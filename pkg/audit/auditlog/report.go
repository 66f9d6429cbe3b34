package auditlog

import (
	"fmt"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// Verdict is the result of Verify, best first.
type Verdict int

// The verdicts.
const (
	Intact   Verdict = iota // every line is there and unchanged, or a line says why it is gone
	Torn                    // intact, but for half a line at the end: a crash, a power cut, or a writer at work
	Missing                 // lines are gone and no line says why
	Tampered                // lines were changed, added, repeated or put elsewhere
)

func (v Verdict) String() string {
	return [...]string{"intact", "torn", "missing", "tampered"}[min(max(v, 0), Tampered)]
}

// MarshalText makes a Verdict its name in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Kind says what a Finding is about.
type Kind string

// The kinds of findings. Those up to KindRestored are explained by the log itself and leave it Intact.
const (
	KindPruned   Kind = "pruned"   // rotated files were deleted by age or number, as a line says
	KindDropped  Kind = "dropped"  // events never got a line, as an audit_dropped line says
	KindRestored Kind = "restored" // lines stand twice: after a failed sync they were written again

	KindTorn Kind = "torn" // half a line at the end of the log

	KindMissing Kind = "missing" // lines First to Last are gone

	KindAltered   Kind = "altered"   // a line is not what was written
	KindForeign   Kind = "foreign"   // a line, or what should be one, that the log did not write
	KindMisplaced Kind = "misplaced" // a line that was written, but not here: repeated or moved
	KindUnsigned  Kind = "unsigned"  // a line's signature is missing or wrong
)

func (k Kind) verdict() Verdict {
	switch k {
	case KindPruned, KindDropped, KindRestored:
		return Intact
	case KindTorn:
		return Torn
	case KindMissing:
		return Missing
	}
	return Tampered
}

// Finding is one thing that Verify has to say, and where.
type Finding struct {
	Kind   Kind   `json:"kind"`
	File   string `json:"file,omitempty"`   // name of the file; empty: no file of the log
	Line   int    `json:"line,omitempty"`   // in the file, from 1
	Offset int64  `json:"offset,omitempty"` // of the line's first byte, uncompressed
	First  uint64 `json:"first,omitempty"`  // numbers it is about
	Last   uint64 `json:"last,omitempty"`
	Events uint64 `json:"events,omitempty"` // of KindDropped: how many
	Text   string `json:"text"`             // for people
}

func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(string(f.Kind))
	if f.File != "" {
		fmt.Fprintf(&b, " %s", f.File)
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	switch {
	case f.First > 0 && f.Last > f.First:
		fmt.Fprintf(&b, " (seq %d to %d)", f.First, f.Last)
	case f.First > 0:
		fmt.Fprintf(&b, " (seq %d)", f.First)
	}
	return b.String() + ": " + f.Text
}

// FileReport is what Verify saw in one file.
type FileReport struct {
	Name       string `json:"name"`
	FileID     string `json:"file_id,omitempty"`
	FirstSeq   uint64 `json:"first_seq"`
	LastSeq    uint64 `json:"last_seq"`
	Lines      uint64 `json:"lines"` // headers, trailers and foreign ones included
	Bytes      int64  `json:"bytes"` // uncompressed
	Compressed bool   `json:"compressed,omitempty"`
}

// Report is the result of Verify.
type Report struct {
	Verdict  Verdict      `json:"verdict"`
	Log      string       `json:"log"` // the current file
	Checked  time.Time    `json:"checked"`
	FirstSeq uint64       `json:"first_seq"` // of the oldest line that is there; 0: the log is empty
	Head     logfile.Mark `json:"head"`      // the last line; keep it elsewhere, and pass it as Known next time
	Events   uint64       `json:"events"`    // lines with a number
	Signed   uint64       `json:"signed"`    // of these, those whose signature was checked
	Dropped  uint64       `json:"dropped"`   // events that never got a line, by what the log says
	Files    []FileReport `json:"files"`
	Findings []Finding    `json:"findings"`       // MaxFindings at most
	More     int          `json:"more,omitempty"` // findings beyond these
}

// MaxFindings bounds Report.Findings: a log of foreign lines has one for each.
const MaxFindings = 1000

func (r *Report) add(f Finding) {
	r.Verdict = max(r.Verdict, f.Kind.verdict())
	if len(r.Findings) == MaxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}
