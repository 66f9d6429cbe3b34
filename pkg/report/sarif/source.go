package sarif

import (
	"errors"
	"io"
)

// errTooLong is returned by a source at its limit.
var errTooLong = errors.New("value is over the bound")

// source feeds a JSON decoder and can be rewound to the beginning of a value, so that an invalid value can be skipped. It
// holds the bytes since the last release, whose number is bounded by stop.
type source struct {
	r      io.Reader
	err    error  // error of r
	prefix []byte // delivered before the input
	buf    []byte // bytes of the input from base on
	base   int64  // offset in the input of buf[0]
	lo     int    // index in buf; bytes before it are released
	pos    int    // index in buf of the next byte to deliver
	stop   int64  // offset at which Read returns errTooLong
}

const chunk = 64 << 10

func newSource(r io.Reader) *source { return &source{r: r, buf: make([]byte, 0, 2*chunk)} }

// offset returns the offset of the next byte.
func (s *source) offset() int64 { return s.base + int64(s.pos) }

// release drops the bytes before off, and allows n bytes to be read from there.
func (s *source) release(off, n int64) {
	s.lo = int(off - s.base)
	s.stop = off + n
}

// rewind makes off the offset of the next byte. It must not be released yet.
func (s *source) rewind(off int64) {
	s.prefix = nil
	s.pos = int(off - s.base)
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if len(s.prefix) > 0 {
		n := copy(p, s.prefix)
		s.prefix = s.prefix[n:]
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

// window returns the bytes that can be read without waiting, at least one, or an error if there are none.
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

// slide makes room behind the held bytes.
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

// discard passes over n bytes of the window and releases them.
func (s *source) discard(n int) {
	s.pos += n
	s.lo = s.pos
}

// skip passes over the value at the next byte, however large it is.
func (s *source) skip() (*framer, error) {
	f := &framer{}
	for {
		b, err := s.window()
		if err != nil {
			return f, err
		}
		n, end := f.feed(b)
		s.discard(n)
		if end {
			return f, nil
		}
	}
}
