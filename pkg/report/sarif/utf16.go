package sarif

import (
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Reader gives UTF-16 out as UTF-8. Half a surrogate pair, or half a unit at the end, becomes U+FFFD.
type utf16Reader struct {
	r    io.Reader
	big  bool
	in   [4096]byte
	n    int // bytes in in
	err  error
	out  []byte
	pos  int  // what is before it in out was given out
	high rune // the first half of a pair, 0 for none
}

// Read implements io.Reader.
func (u *utf16Reader) Read(p []byte) (int, error) {
	for u.pos == len(u.out) {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.out[u.pos:])
	u.pos += n
	return n, nil
}

func (u *utf16Reader) fill() {
	n, err := u.r.Read(u.in[u.n:])
	u.n += n
	u.err = err
	u.out, u.pos = u.out[:0], 0
	whole := u.n &^ 1
	for i := 0; i < whole; i += 2 {
		lo, hi := u.in[i], u.in[i+1]
		if u.big {
			lo, hi = hi, lo
		}
		u.unit(rune(lo) | rune(hi)<<8)
	}
	u.n = copy(u.in[:], u.in[whole:u.n])
	if err != nil && (u.n > 0 || u.high != 0) {
		u.out = utf8.AppendRune(u.out, utf8.RuneError)
	}
}

func (u *utf16Reader) unit(c rune) {
	if high := u.high; high != 0 {
		u.high = 0
		if r := utf16.DecodeRune(high, c); r != utf8.RuneError {
			u.out = utf8.AppendRune(u.out, r)
			return
		}
		u.out = utf8.AppendRune(u.out, utf8.RuneError)
	}
	if 0xd800 <= c && c < 0xdc00 {
		u.high = c
		return
	}
	u.out = utf8.AppendRune(u.out, c) // a second half alone becomes U+FFFD
}
