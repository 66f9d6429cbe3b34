package ship

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// batch is a run of lines on their way to the collector, as they stand in their files.
type batch struct {
	raw    []byte
	lines  int // with a number
	first  uint64
	last   logfile.Mark
	end    logfile.Cursor // the begin of the last line: from there it is read again, to be compared
	oldest time.Time      // of the first line
	body   []byte         // raw, compressed
}

// read returns the lines that come next, nil for none. Headers and trailers go with the line behind them; what is no line of
// the log is left out, for nobody could tell what it proves.
func (s *Shipper) read() (*batch, error) {
	head := s.cfg.Head()
	if s.at.Seq >= head {
		return nil, nil
	}
	b, err := s.readTo(head)
	if err == nil && b.last.Seq != s.at.Seq+uint64(b.lines) { // numbers are missing: was the file changed under the reader?
		s.CloseLines()
		if _, err = s.openAt(logfile.Cursor{Seq: s.at.Seq}); err == nil {
			b, err = s.readTo(head)
		}
	}
	if err != nil || b.lines == 0 {
		return nil, err
	}
	return b, nil
}

// readTo returns the lines that come next, up to number head.
func (s *Shipper) readTo(head uint64) (*batch, error) {
	b := &batch{}
	for b.lines < s.Limit && len(b.raw) < batchBytes && b.last.Seq < head {
		l, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		end, ok := logfile.ParseEnd(l.Bytes)
		if ok && end.Seq > head {
			s.held = l
			break
		}
		if ok {
			s.add(b, l, end)
		}
	}
	return b, nil
}

func (s *Shipper) add(b *batch, l *logfile.RawLine, end logfile.LineEnd) {
	switch {
	case end.Seq == 0:
		if t := logfile.LineType(l.Bytes); (t == logfile.EventOpened || t == logfile.EventRotated) && len(s.loose) < logfile.MaxLineBytes {
			s.loose = append(s.loose, l.Bytes...)
		}
		return
	case end.Seq <= max(s.at.Seq, b.last.Seq): // it comes again
		if end.Seq == s.at.Acked {
			s.chain = string(end.Chain[:])
		}
	default:
		if b.lines == 0 {
			b.first, b.oldest = end.Seq, lineTime(l.Bytes)
		}
		b.raw = append(append(b.raw, s.loose...), l.Bytes...)
		b.lines++
		b.last = logfile.Place{Seq: end.Seq, Chain: end.Chain}.Mark()
		b.end = logfile.Cursor{FileID: l.File.Header.FileID, Seq: end.Seq, Offset: l.Offset}
	}
	s.loose = s.loose[:0]
}

// next returns the next line. A file that cannot be read further is left for the next one, and the log told.
func (s *Shipper) next() (*logfile.RawLine, error) {
	if l := s.held; l != nil {
		s.held = nil
		return l, nil
	}
	if s.lines == nil {
		if l, err := s.openAt(s.at.Cursor); l != nil || err != nil {
			return l, err
		}
	}
	for {
		l, err := s.lines.Next()
		if err == nil {
			return &l, nil
		}
		if errors.Is(err, io.EOF) || s.lines.Segment == nil {
			return nil, err // in the second case the directory cannot be read
		}
		name := s.lines.Segment.Name()
		if s.lines.SkipFile() != nil {
			return nil, err
		}
		if name != s.broken {
			s.broken = name
			s.cfg.Record(event.Event{Type: logfile.EventError, Severity: event.Critical, Message: "A file of the log cannot be read, its lines are not sent",
				Error: err.Error(), Details: map[string]any{"file": name, "after_seq": s.lines.Seq}})
		}
	}
}

// openAt goes on at a cursor, and returns the line that is there when it is the one that was. When it is not, as after the end of
// the file was cut off, reading begins before it, where nothing is missed.
func (s *Shipper) openAt(at logfile.Cursor) (*logfile.RawLine, error) {
	r, err := logfile.OpenReader(s.path, at)
	if err != nil {
		if r != nil {
			_ = r.Close() // the first error is the one to tell
		}
		return nil, err
	}
	s.lines = r
	if at.FileID == "" {
		return nil, nil
	}
	if l, err := r.Next(); err == nil {
		if end, ok := logfile.ParseEnd(l.Bytes); ok && end.Seq == at.Seq {
			return &l, nil
		}
	}
	_ = r.Close() // only read
	return s.openAt(logfile.Cursor{Seq: at.Seq})
}

func (s *Shipper) CloseLines() {
	if s.lines != nil {
		_ = s.lines.Close() // only read
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
func (s *Shipper) lagBytes() (n int64) {
	add := func(path string) {
		if fi, err := os.Stat(path); err == nil {
			n += fi.Size()
		}
	}
	files, err := logfile.RotatedFiles(s.path)
	if err != nil || s.lines == nil || s.lines.Segment == nil {
		return 0
	}
	at := s.lines.Segment
	for _, f := range files {
		if !at.Stamp.IsZero() && !f.Stamp.Before(at.Stamp) {
			add(f.Path)
		}
	}
	add(s.path)
	if !at.Compressed {
		n -= s.lines.Offset
	}
	return max(n, 0) + int64(len(s.batch.raw))
}
