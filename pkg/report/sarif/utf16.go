package sarif

import (
	"bufio"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Reader converts UTF-16 to UTF-8. An unpaired surrogate, or a single byte at the end, becomes U+FFFD.
type utf16Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	out   []byte // converted and not yet returned
}

func newUTF16Reader(r io.Reader, order binary.ByteOrder) io.Reader {
	return &utf16Reader{r: bufio.NewReaderSize(r, 4<<10), order: order}
}

// Read implements io.Reader.
func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) < len(p) {
		r, err := u.readRune()
		if err != nil && len(u.out) == 0 {
			return 0, err
		}
		if err != nil {
			break // the next call meets it again
		}
		u.out = utf8.AppendRune(u.out, r)
	}
	n := copy(p, u.out)
	u.out = u.out[:copy(u.out, u.out[n:])]
	return n, nil
}

func (u *utf16Reader) readRune() (rune, error) {
	b, err := u.r.Peek(4)
	if len(b) == 0 {
		return 0, err
	}
	r, size := utf8.RuneError, min(len(b), 2)
	if size == 2 {
		r = rune(u.order.Uint16(b))
	}
	if utf16.IsSurrogate(r) {
		first := r
		if r = utf8.RuneError; len(b) == 4 {
			r = utf16.DecodeRune(first, rune(u.order.Uint16(b[2:])))
		}
		if r != utf8.RuneError {
			size = 4
		}
	}
	_, _ = u.r.Discard(size) // Peek returned at least as many bytes
	return r, nil
}
