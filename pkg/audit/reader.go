package audit

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"os"
)

// cursor is a place in a log from which a lineReader goes on: behind line Seq, which ends at Offset of the file.
type cursor struct {
	FileID string `json:"file_id"`
	Seq    uint64 `json:"seq"`
	Offset int64  `json:"offset"` // in the lines of the file, uncompressed
}

// rawLine is a line as it stands in its file, with its newline. Its bytes are valid until the next call of next.
type rawLine struct {
	bytes  []byte
	file   *segment
	number int   // of the line in the file, from 1; 0 when the reader did not begin at the file's begin
	offset int64 // of its first byte, uncompressed
	torn   bool  // the file ends without a newline
	long   bool  // over MaxLineBytes: only the begin is in bytes
}

// lineReader gives the lines of a log, oldest first: headers, trailers and lines that are none as well. It never
// disturbs the writer, holds one file open, and follows rotation, compression and retention by the files' identity.
// After io.EOF it may be asked again, and goes on when the log grew.
type lineReader struct {
	path string
	seg  *segment // nil: not begun
	f    io.ReadCloser
	br   *bufio.Reader
	part []byte // begin of a line whose end was not there yet
	last bool   // seg has a successor, so what it holds now is all it will ever hold
	cut  bool   // the reader did not begin at the begin of seg

	number int
	offset int64 // where the next line begins
	seq    uint64
}

// openLines returns a reader behind from; the zero cursor is the begin of the log. When from's file is gone, or was
// never there, the reader begins where the next number is, or with the oldest file; lines up to from.Seq may then come again.
func openLines(path string, from cursor) (*lineReader, error) {
	r := &lineReader{path: path, seq: from.Seq}
	segs, err := segments(path)
	if err != nil || len(segs) == 0 || from == (cursor{}) {
		return r, err
	}
	best := 0
	for i := range segs {
		if segs[i].header.FileID == from.FileID && from.FileID != "" {
			if err := r.enter(&segs[i]); err != nil {
				return r, err
			}
			return r, r.skip(from.Offset)
		}
		if segs[i].first > 0 && segs[i].first <= from.Seq+1 {
			best = i
		}
	}
	return r, r.enter(&segs[best])
}

func (r *lineReader) enter(s *segment) error {
	f, info, err := s.open()
	if err != nil {
		return err
	}
	if r.f != nil {
		_ = r.f.Close() // only read
	}
	if s.info != nil && !s.compressed && !os.SameFile(s.info, info) {
		return errors.Join(os.ErrNotExist, f.Close()) // rotated since it was listed
	}
	s.info = info
	r.seg, r.f, r.br = s, f, bufio.NewReaderSize(f, MaxLineBytes)
	r.part, r.last, r.cut, r.number, r.offset = nil, false, false, 0, 0
	return nil
}

func (r *lineReader) skip(n int64) error {
	if n <= 0 {
		return nil
	}
	var err error
	if s, ok := r.f.(io.Seeker); ok {
		n, err = s.Seek(n, io.SeekStart)
	} else {
		n, err = io.CopyN(io.Discard, r.br, n)
	}
	r.offset, r.cut = n, true
	if errors.Is(err, io.EOF) {
		return nil // shorter than it was: next says so, with an EOF
	}
	return err
}

// next returns the next line, or io.EOF at the end of the log as it is now.
func (r *lineReader) next() (rawLine, error) {
	for {
		if r.seg == nil {
			if err := r.advance(); err != nil {
				return rawLine{}, err
			}
		}
		line, err := r.read()
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, io.EOF) {
			return rawLine{}, err
		}
		if !r.last {
			if now, err := os.Lstat(r.path); err == nil && os.SameFile(now, r.seg.info) {
				return rawLine{}, io.EOF // the usual answer for who follows the log, without a look into each file
			}
			s, err := r.successor()
			if err != nil {
				return rawLine{}, err
			}
			if r.last = s != nil; !r.last {
				return rawLine{}, io.EOF
			}
			continue // it may have grown before it was rotated
		}
		if len(r.part) > 0 {
			return r.torn(), nil
		}
		if err := r.advance(); err != nil {
			return rawLine{}, err
		}
	}
}

// read returns the next line of the file, or io.EOF where the rest is not there yet.
func (r *lineReader) read() (rawLine, error) {
	b, err := r.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(r.part)+len(b) > MaxLineBytes:
		return r.long(b, err != nil)
	case err != nil:
		if len(r.part)+len(b) <= MaxLineBytes {
			r.part = append(r.part, b...)
		}
		return rawLine{}, err
	}
	if len(r.part) > 0 {
		b = append(r.part, b...)
		r.part = nil
	}
	return r.count(rawLine{bytes: b}, int64(len(b))), nil
}

// long skips a line that is none of ours.
func (r *lineReader) long(b []byte, more bool) (rawLine, error) {
	begin := append(r.part, b...)
	r.part = nil
	n := int64(len(begin))
	for more {
		b, err := r.br.ReadSlice('\n')
		n += int64(len(b))
		more = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !more && !errors.Is(err, io.EOF) {
			return rawLine{}, err
		}
	}
	return r.count(rawLine{bytes: begin, long: true}, n), nil
}

func (r *lineReader) torn() rawLine {
	b := r.part
	r.part = nil
	return r.count(rawLine{bytes: b, torn: true}, int64(len(b)))
}

func (r *lineReader) count(l rawLine, n int64) rawLine {
	l.file, l.offset = r.seg, r.offset
	if l.offset == 0 && r.seg.first == 0 { // it may have been empty when it was listed
		if h, ok := parseHeader(newLinker(), l.bytes); ok {
			r.seg.header, r.seg.first = h, h.FirstSeq
		}
	}
	r.offset += n
	if !r.cut {
		r.number++
		l.number = r.number
	}
	if end, ok := parseSealed(l.bytes); ok && end.seq > 0 {
		r.seq = end.seq
	}
	return l
}

// giveUp leaves a file that cannot be read further, for the next one; io.EOF when there is none.
func (r *lineReader) giveUp() error {
	r.part = nil
	return r.advance()
}

// cursor returns the place behind the last line that next returned.
func (r *lineReader) cursor() cursor {
	if r.seg == nil {
		return cursor{Seq: r.seq}
	}
	return cursor{r.seg.header.FileID, r.seq, r.offset}
}

// successor returns the file after the one being read, nil for none yet. An empty file is none: what it will go on from
// is not known yet.
func (r *lineReader) successor() (*segment, error) {
	segs, err := segments(r.path)
	if err != nil {
		return nil, err
	}
	if r.seg == nil {
		if len(segs) == 0 {
			return nil, nil
		}
		return &segs[0], nil
	}
	found := -1
	for i := range segs {
		if segs[i].same(r.seg) {
			found = i
		}
	}
	for i := range segs {
		// Where the file is gone, the next one may begin with lines that it had, too: those that were not synced.
		if found >= 0 && i > found && segs[i].info.Size() > 0 || found < 0 && segs[i].first >= cmp.Or(r.seg.first, r.seq+1) {
			return &segs[i], nil
		}
	}
	return nil, nil
}

// advance goes on to the next file, or returns io.EOF. A file that vanishes in between is looked for again, for it may
// only have another name now.
func (r *lineReader) advance() error {
	for range 10 {
		s, err := r.successor()
		if err != nil {
			return err
		}
		if s == nil {
			return io.EOF
		}
		if err := r.enter(s); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		return nil
	}
	return io.EOF
}

func (r *lineReader) close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}
