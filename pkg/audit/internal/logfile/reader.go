package logfile

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"os"
)

// cursor is a place in a log from which a lineReader goes on: behind line Seq, which ends at Offset of the file.
type Cursor struct {
	FileID string `json:"file_id"`
	Seq    uint64 `json:"seq"`
	Offset int64  `json:"offset"` // in the lines of the file, uncompressed
}

// rawLine is a line as it stands in its file, with its newline. Its bytes are valid until the next call of next.
type RawLine struct {
	Bytes  []byte
	File   *Segment
	Number int   // of the line in the file, from 1; 0 when the reader did not begin at the file's begin
	Offset int64 // of its first byte, uncompressed
	Torn   bool  // the file ends without a newline
	Long   bool  // over MaxLineBytes: only the begin is in bytes
}

// lineReader gives the lines of a log, oldest first: headers, trailers and lines that are none as well. It never
// disturbs the writer, holds one file open, and follows rotation, compression and retention by the files' identity.
// After io.EOF it may be asked again, and goes on when the log grew.
type Reader struct {
	path    string
	Segment *Segment // nil: not begun
	f       io.ReadCloser
	br      *bufio.Reader
	Part    []byte // begin of a line whose end was not there yet
	last    bool   // seg has a successor, so what it holds now is all it will ever hold
	Cut     bool   // the reader did not begin at the begin of seg

	Number int
	Offset int64 // where the next line begins
	Seq    uint64
}

// openLines returns a reader behind from; the zero cursor is the begin of the log. When from's file is gone, or was
// never there, the reader begins where the next number is, or with the oldest file; lines up to from.Seq may then come again.
func OpenReader(path string, from Cursor) (*Reader, error) {
	r := &Reader{path: path, Seq: from.Seq}
	segs, err := Segments(path)
	if err != nil || len(segs) == 0 || from == (Cursor{}) {
		return r, err
	}
	best := 0
	for i := range segs {
		if segs[i].Header.FileID == from.FileID && from.FileID != "" {
			if err := r.Enter(&segs[i]); err != nil {
				return r, err
			}
			return r, r.skip(from.Offset)
		}
		if segs[i].First > 0 && segs[i].First <= from.Seq+1 {
			best = i
		}
	}
	return r, r.Enter(&segs[best])
}

// Enter begins to read a file of the log at its first line.
func (r *Reader) Enter(s *Segment) error {
	f, info, err := s.Open()
	if err != nil {
		return err
	}
	if r.f != nil {
		_ = r.f.Close() // only read
	}
	if s.Info != nil && !s.Compressed && !os.SameFile(s.Info, info) {
		return errors.Join(os.ErrNotExist, f.Close()) // rotated since it was listed
	}
	s.Info = info
	r.Segment, r.f, r.br = s, f, bufio.NewReaderSize(f, MaxLineBytes)
	r.Part, r.last, r.Cut, r.Number, r.Offset = nil, false, false, 0, 0
	return nil
}

func (r *Reader) skip(n int64) error {
	if n <= 0 {
		return nil
	}
	var err error
	if s, ok := r.f.(io.Seeker); ok {
		n, err = s.Seek(n, io.SeekStart)
	} else {
		n, err = io.CopyN(io.Discard, r.br, n)
	}
	r.Offset, r.Cut = n, true
	if errors.Is(err, io.EOF) {
		return nil // shorter than it was: next says so, with an EOF
	}
	return err
}

// next returns the next line, or io.EOF at the end of the log as it is now.
func (r *Reader) Next() (RawLine, error) {
	for {
		if r.Segment == nil {
			if err := r.advance(); err != nil {
				return RawLine{}, err
			}
		}
		line, err := r.read()
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, io.EOF) {
			return RawLine{}, err
		}
		if !r.last {
			if now, err := os.Lstat(r.path); err == nil && os.SameFile(now, r.Segment.Info) {
				return RawLine{}, io.EOF // the usual answer for who follows the log, without a look into each file
			}
			s, err := r.successor()
			if err != nil {
				return RawLine{}, err
			}
			if r.last = s != nil; !r.last {
				return RawLine{}, io.EOF
			}
			continue // it may have grown before it was rotated
		}
		if len(r.Part) > 0 {
			return r.TakeTorn(), nil
		}
		if err := r.advance(); err != nil {
			return RawLine{}, err
		}
	}
}

// read returns the next line of the file, or io.EOF where the rest is not there yet.
func (r *Reader) read() (RawLine, error) {
	b, err := r.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(r.Part)+len(b) > MaxLineBytes:
		return r.long(b, err != nil)
	case err != nil:
		if len(r.Part)+len(b) <= MaxLineBytes {
			r.Part = append(r.Part, b...)
		}
		return RawLine{}, err
	}
	if len(r.Part) > 0 {
		b = append(r.Part, b...)
		r.Part = nil
	}
	return r.count(RawLine{Bytes: b}, int64(len(b))), nil
}

// long skips a line that is none of ours.
func (r *Reader) long(b []byte, more bool) (RawLine, error) {
	begin := append(r.Part, b...)
	r.Part = nil
	n := int64(len(begin))
	for more {
		b, err := r.br.ReadSlice('\n')
		n += int64(len(b))
		more = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !more && !errors.Is(err, io.EOF) {
			return RawLine{}, err
		}
	}
	return r.count(RawLine{Bytes: begin, Long: true}, n), nil
}

func (r *Reader) TakeTorn() RawLine {
	b := r.Part
	r.Part = nil
	return r.count(RawLine{Bytes: b, Torn: true}, int64(len(b)))
}

func (r *Reader) count(l RawLine, n int64) RawLine {
	l.File, l.Offset = r.Segment, r.Offset
	if l.Offset == 0 && r.Segment.First == 0 { // it may have been empty when it was listed
		if h, ok := ParseHeader(NewLinker(), l.Bytes); ok {
			r.Segment.Header, r.Segment.First = h, h.FirstSeq
		}
	}
	r.Offset += n
	if !r.Cut {
		r.Number++
		l.Number = r.Number
	}
	if end, ok := ParseEnd(l.Bytes); ok && end.Seq > 0 {
		r.Seq = end.Seq
	}
	return l
}

// giveUp leaves a file that cannot be read further, for the next one; io.EOF when there is none.
func (r *Reader) SkipFile() error {
	r.Part = nil
	return r.advance()
}

// cursor returns the place behind the last line that next returned.
func (r *Reader) Cursor() Cursor {
	if r.Segment == nil {
		return Cursor{Seq: r.Seq}
	}
	return Cursor{r.Segment.Header.FileID, r.Seq, r.Offset}
}

// successor returns the file after the one being read, nil for none yet. An empty file is none: what it will go on from
// is not known yet.
func (r *Reader) successor() (*Segment, error) {
	segs, err := Segments(r.path)
	if err != nil {
		return nil, err
	}
	if r.Segment == nil {
		if len(segs) == 0 {
			return nil, nil
		}
		return &segs[0], nil
	}
	found := -1
	for i := range segs {
		if segs[i].Same(r.Segment) {
			found = i
		}
	}
	for i := range segs {
		// Where the file is gone, the next one may begin with lines that it had, too: those that were not synced.
		if found >= 0 && i > found && segs[i].Info.Size() > 0 || found < 0 && segs[i].First >= cmp.Or(r.Segment.First, r.Seq+1) {
			return &segs[i], nil
		}
	}
	return nil, nil
}

// advance goes on to the next file, or returns io.EOF. A file that vanishes in between is looked for again, for it may
// only have another name now.
func (r *Reader) advance() error {
	for range 10 {
		s, err := r.successor()
		if err != nil {
			return err
		}
		if s == nil {
			return io.EOF
		}
		if err := r.Enter(s); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		return nil
	}
	return io.EOF
}

func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}

// ReadBack reads the bytes in front of the next line into b, as they are in the file now. ok is false for a compressed
// file.
func (r *Reader) ReadBack(b []byte) (n int, ok bool) {
	f, ok := r.f.(io.ReaderAt)
	if !ok {
		return 0, false
	}
	n, _ = f.ReadAt(b, r.Offset-int64(len(b))) // the next read returns the error
	return n, true
}
