package logfile

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// ending is what the end of a file says.
type Ending struct {
	Place   Place
	Found   bool // there is a line with a number, or a header
	Last    bool // nothing foreign stands behind it
	Trailer bool // only the trailer stands behind it
}

// endBytes is how far from its end a file is searched.
const endBytes = 4 * MaxLineBytes

// end reads the end of the file. Half a line there counts for nothing.
func (s *Segment) End() (e Ending, err error) {
	r, _, err := s.Open()
	if err != nil {
		return e, err
	}
	defer func() { _ = r.Close() }() // only read
	buf, err := lastBytes(r, endBytes)
	if err != nil {
		return e, err
	}
	lines := buf[:bytes.LastIndexByte(buf, '\n')+1]
	k := NewLinker()
	e.Last = true
	for len(lines) > 0 {
		start := bytes.LastIndexByte(lines[:len(lines)-1], '\n') + 1
		line := lines[start:]
		lines = lines[:start]
		end, ok := ParseEnd(line)
		if ok && end.Seq > 0 {
			e.Place, e.Found = Place{end.Seq, end.Chain}, true
			return e, nil
		}
		if h, ok := ParseHeader(k, line); ok {
			e.Place, e.Found = h.Before(), true
			return e, nil
		}
		var t Trailer
		if ok && e.Last && IsUnnumbered(line, EventRotated, &t) {
			e.Trailer = true
			continue
		}
		e.Last = false
	}
	return Ending{}, nil
}

// lastBytes returns the end of r, n bytes at most.
func lastBytes(r io.Reader, n int64) ([]byte, error) {
	if f, ok := r.(*os.File); ok {
		fi, err := f.Stat()
		if err != nil {
			return nil, err
		}
		buf := make([]byte, min(fi.Size(), n))
		if _, err := f.ReadAt(buf, fi.Size()-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return buf, nil
	}
	var buf []byte
	chunk := make([]byte, n)
	for {
		m, err := io.ReadFull(r, chunk)
		if m == len(chunk) {
			buf = append(buf[:0], chunk...)
		} else {
			buf = append(buf, chunk[:m]...)
			buf = buf[max(0, len(buf)-int(n)):]
		}
		if err != nil {
			return buf, nil // of a broken file, what can be read
		}
	}
}
