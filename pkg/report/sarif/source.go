package sarif

import (
	"errors"
	"io"
)

// errTooLong is what a source says at its limit.
var errTooLong = errors.New("value is over the bound")

// source feeds a JSON decoder and can go back to where a value began, which is how a bad value is skipped. It
// holds the bytes from the last release on, and those are bounded by stop.
type source struct {
	r    io.Reader
	err  error  // of r
	pre  []byte // delivered before anything else
	buf  []byte // the bytes from base on
	base int64  // offset in the input of buf[0]
	lo   int    // what is before it in buf was released
	pos  int    // the next byte to deliver
	stop int64  // the offset at which Read refuses
}

const chunk = 64 << 10

func newSource(r io.Reader) *source { return &source{r: r, buf: make([]byte, 0, 2*chunk)} }

// offset is that of the next byte.
func (s *source) offset() int64 { return s.base + int64(s.pos) }

// release lets go of the bytes before off, and allows n to be read from there.
func (s *source) release(off, n int64) {
	s.lo = int(off - s.base)
	s.stop = off + n
}

// rewind makes off, which is not released, the next byte.
func (s *source) rewind(off int64) {
	s.pre = nil
	s.pos = int(off - s.base)
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if len(s.pre) > 0 {
		n := copy(p, s.pre)
		s.pre = s.pre[n:]
		return n, nil
	}
	if s.offset() >= s.stop {
		return 0, errTooLong
	}
	b, err := s.window()
	if err != nil {
		return 0, err
	}
	n := copy(p, b[:min(int64(len(b)), s.stop-s.offset())])
	s.pos += n
	return n, nil
}

// window returns the bytes that are there to be read, at least one, or the error that there are none.
func (s *source) window() ([]byte, error) {
	for s.pos == len(s.buf) {
		if s.err != nil {
			return nil, s.err
		}
		if len(s.buf) == cap(s.buf) || s.lo > chunk {
			s.slide()
		}
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf, s.err = s.buf[:len(s.buf)+n], err
	}
	return s.buf[s.pos:], nil
}

// slide makes room behind the bytes that are held.
func (s *source) slide() {
	held := s.buf[s.lo:]
	to := s.buf[:0]
	if cap(to)-len(held) < chunk {
		to = make([]byte, 0, 2*cap(to))
	}
	s.base += int64(s.lo)
	s.pos -= s.lo
	s.buf = append(to, held...)
	s.lo = 0
}

// skip passes over the value at the next byte, whatever its size.
func (s *source) skip() (*framer, error) {
	f := &framer{}
	for {
		b, err := s.window()
		if err != nil {
			return f, err
		}
		n, end := f.feed(b)
		s.pos += n
		s.lo = s.pos
		if end {
			return f, nil
		}
	}
}
