package audit

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

// batch is a run of lines on their way to the collector, as they stand in their files.
type batch struct {
	raw    []byte
	lines  int // with a number
	first  uint64
	last   Mark
	end    cursor    // the begin of the last line: from there it is read again, to be compared
	oldest time.Time // of the first line
	body   []byte    // raw, compressed
}

// read returns the lines that come next, nil for none. Headers and trailers go with the line behind them; what is no line of
// the log is left out, for nobody could tell what it proves.
func (s *shipper) read() (*batch, error) {
	head := s.log.Head().Seq
	if s.at.Seq >= head {
		return nil, nil
	}
	b, err := s.readTo(head)
	if err == nil && b.last.Seq != s.at.Seq+uint64(b.lines) { // numbers are missing: was the file changed under the reader?
		s.closeLines()
		if _, err = s.openAt(cursor{Seq: s.at.Seq}); err == nil {
			b, err = s.readTo(head)
		}
	}
	if err != nil || b.lines == 0 {
		return nil, err
	}
	return b, nil
}

// readTo returns the lines that come next, up to number head.
func (s *shipper) readTo(head uint64) (*batch, error) {
	b := &batch{}
	for b.lines < s.limit && len(b.raw) < batchBytes && b.last.Seq < head {
		l, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		end, ok := parseSealed(l.bytes)
		if ok && end.seq > head {
			s.held = l
			break
		}
		if ok {
			s.add(b, l, end)
		}
	}
	return b, nil
}

func (s *shipper) add(b *batch, l *rawLine, end sealed) {
	switch {
	case end.seq == 0:
		if t := lineType(l.bytes); (t == EventAuditOpened || t == EventAuditRotated) && len(s.loose) < MaxLineBytes {
			s.loose = append(s.loose, l.bytes...)
		}
		return
	case end.seq <= max(s.at.Seq, b.last.Seq): // it comes again
		if end.seq == s.at.Acked {
			s.chain = string(end.chain[:])
		}
	default:
		if b.lines == 0 {
			b.first, b.oldest = end.seq, lineTime(l.bytes)
		}
		b.raw = append(append(b.raw, s.loose...), l.bytes...)
		b.lines++
		b.last = mark{end.seq, end.chain}.public()
		b.end = cursor{l.file.header.FileID, end.seq, l.offset}
	}
	s.loose = s.loose[:0]
}

// next returns the next line. A file that cannot be read further is left for the next one, and the log told.
func (s *shipper) next() (*rawLine, error) {
	if l := s.held; l != nil {
		s.held = nil
		return l, nil
	}
	if s.lines == nil {
		if l, err := s.openAt(s.at.cursor); l != nil || err != nil {
			return l, err
		}
	}
	for {
		l, err := s.lines.next()
		if err == nil {
			return &l, nil
		}
		if errors.Is(err, io.EOF) || s.lines.seg == nil {
			return nil, err // in the second case the directory cannot be read
		}
		name := s.lines.seg.name()
		if s.lines.giveUp() != nil {
			return nil, err
		}
		if name != s.broken {
			s.broken = name
			s.log.own(Event{Type: EventAuditError, Severity: SeverityCritical, Message: "A file of the log cannot be read, its lines are not sent",
				Error: err.Error(), Details: map[string]any{"file": name, "after_seq": s.lines.seq}})
		}
	}
}

// openAt goes on at a cursor, and returns the line that is there when it is the one that was. When it is not, as after the end of
// the file was cut off, reading begins before it, where nothing is missed.
func (s *shipper) openAt(at cursor) (*rawLine, error) {
	r, err := openLines(s.path, at)
	if err != nil {
		if r != nil {
			_ = r.close() // the first error is the one to tell
		}
		return nil, err
	}
	s.lines = r
	if at.FileID == "" {
		return nil, nil
	}
	if l, err := r.next(); err == nil {
		if end, ok := parseSealed(l.bytes); ok && end.seq == at.Seq {
			return &l, nil
		}
	}
	_ = r.close() // only read
	return s.openAt(cursor{Seq: at.Seq})
}

func (s *shipper) closeLines() {
	if s.lines != nil {
		_ = s.lines.close() // only read
	}
	s.lines, s.held, s.loose = nil, nil, nil
}

// lineTime reads the time at the begin of a line; zero where there is none.
func lineTime(line []byte) time.Time {
	rest, _ := bytes.CutPrefix(line, []byte(`{"timestamp":"`))
	text, _, _ := bytes.Cut(rest[:min(len(rest), 64)], []byte(`"`))
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return time.Time{}
	}
	return t
}

// lagBytes returns how much the batch and the files behind it hold. Of compressed files it counts what they take on disk.
func (s *shipper) lagBytes() (n int64) {
	add := func(path string) {
		if fi, err := os.Stat(path); err == nil {
			n += fi.Size()
		}
	}
	files, err := rotatedFiles(s.path)
	if err != nil || s.lines == nil || s.lines.seg == nil {
		return 0
	}
	at := s.lines.seg
	for _, f := range files {
		if !at.stamp.IsZero() && !f.stamp.Before(at.stamp) {
			add(f.path)
		}
	}
	add(s.path)
	if !at.compressed {
		n -= s.lines.offset
	}
	return max(n, 0) + int64(len(s.batch.raw))
}
