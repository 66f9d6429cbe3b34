package auditlog

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"slices"
	"time"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// matcher holds lines against a Filter.
type matcher struct {
	f     *Filter
	ids   [][]byte // as they stand in a line: each must be there
	types [][]byte // one of these must be, where there are any
	text  []byte   // in lower case
	files bool     // headers and trailers are asked for

	behind bool // the next line stands behind number Filter.After, if it has none itself
}

func newMatcher(f *Filter) matcher {
	m := matcher{f: f, text: bytes.ToLower(unquoted(f.Text))}
	m.startAfter(f.After)
	for _, id := range []string{f.JobID, f.ReportID} {
		if id != "" {
			m.ids = append(m.ids, jsonx.AppendPrintable(nil, id))
		}
	}
	for _, t := range f.Types {
		m.types = append(m.types, jsonx.AppendPrintable(nil, string(t)))
		m.files = m.files || t == logfile.EventOpened || t == logfile.EventRotated
	}
	return m
}

// line decodes b, a whole line with its newline, if it is wanted. ok is false when it is no event.
func (m *matcher) line(b []byte) (l Line, wanted, ok bool) {
	if len(b) > logfile.MaxLineBytes {
		return Line{}, false, false
	}
	end, ours := logfile.ParseEnd(b)
	if !m.after(end.Seq) || ours && (end.Seq == 0 && !m.files || !m.mayMatch(&end)) {
		return Line{}, false, true
	}
	return m.decode(bytes.TrimSuffix(b, []byte("\n")), end.Seq, ours)
}

func (m *matcher) decode(b []byte, seq uint64, ours bool) (l Line, wanted, ok bool) {
	if json.Unmarshal(b, &l.Event) != nil || l.Event.Type == "" {
		return l, false, false
	}
	if !m.event(&l.Event) || !ours && !m.hasText(b) {
		return l, false, true
	}
	l.Seq, l.Raw = seq, bytes.Clone(b)
	return l, true, true
}

// startAfter makes seq what Filter.After says; the next line stands at the begin or, with Newest, at the end of the log.
func (m *matcher) startAfter(seq uint64) {
	m.f.After, m.behind = seq, seq == 0 || m.f.Newest
}

// after reports whether a line, of number seq or none, stands behind number Filter.After.
func (m *matcher) after(seq uint64) bool {
	if seq == 0 {
		return m.behind
	}
	m.behind = seq > m.f.After || seq == m.f.After && !m.f.Newest
	return seq > m.f.After
}

// versionOpen is where what a line says ends, and what the log adds to it begins.
const versionOpen = `,"v":`

// mayMatch looks at the bytes of a line that the log wrote, because to decode it costs ten times as much.
func (m *matcher) mayMatch(end *logfile.LineEnd) bool {
	b := end.Signed
	for _, id := range m.ids {
		if !bytes.Contains(b, id) {
			return false
		}
	}
	if len(m.types) > 0 && !slices.ContainsFunc(m.types, func(t []byte) bool { return bytes.Contains(b, t) }) {
		return false
	}
	if !m.hasText(b[:max(0, bytes.LastIndex(b, []byte(versionOpen)))]) {
		return false
	}
	rest, ok := bytes.CutPrefix(b, []byte(`{"timestamp":"`))
	if !ok || m.f.Since.IsZero() && m.f.Until.IsZero() {
		return true
	}
	stamp, _, _ := bytes.Cut(rest[:min(len(rest), 64)], []byte(`"`))
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	return err != nil || m.inTime(t)
}

func (m *matcher) hasText(b []byte) bool {
	return len(m.text) == 0 || bytes.Contains(bytes.ToLower(b), m.text)
}

func (m *matcher) inTime(t time.Time) bool {
	return !t.Before(m.f.Since) && (m.f.Until.IsZero() || t.Before(m.f.Until))
}

func (m *matcher) event(e *event.Event) bool {
	f := m.f
	return m.inTime(e.Timestamp) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) &&
		(f.Severity == "" || e.Severity.Rank() >= f.Severity.Rank()) &&
		(f.JobID == "" || e.JobID == f.JobID) &&
		(f.ReportID == "" || e.ReportID == f.ReportID)
}

// repeatsKept is how many lines back a line is known again.
const repeatsKept = 1 << 14

// repeats knows lines again by all of their bytes, so that no forged line can hide another.
type repeats struct {
	hash  maphash.Hash
	known map[uint64]bool
	order []uint64 // a ring of known's keys
	next  int
}

// seen reports whether the line was asked for before, and remembers it.
func (r *repeats) seen(line []byte) bool {
	r.hash.Reset()
	_, _ = r.hash.Write(line) // never fails
	h := r.hash.Sum64()
	if r.known[h] {
		return true
	}
	if r.known == nil {
		r.known = map[uint64]bool{}
	}
	if len(r.order) < repeatsKept {
		r.order = append(r.order, h)
	} else {
		delete(r.known, r.order[r.next])
		r.order[r.next] = h
		r.next = (r.next + 1) % repeatsKept
	}
	r.known[h] = true
	return false
}

// unquoted returns s as it stands inside a string of a line.
func unquoted(s string) []byte {
	b := jsonx.AppendPrintable(nil, s)
	return b[1 : len(b)-1]
}
