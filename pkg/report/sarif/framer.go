package sarif

import "github.com/rediverio/sdk/internal/jsonx"

// framer finds the end of a JSON value by its brackets and strings alone. It takes the input in pieces, holds none of
// it and does not recurse, so it can skip a value of any size or depth, and one that is not valid JSON.
type framer struct {
	depth   int
	commas  int  // between the members of the outermost array or object
	kind    byte // first byte of the value; 0 before it
	content bool // the outermost array or object is not empty
	started bool // the comma or colon that may precede the value has been passed
	str     bool // inside a string
	esc     bool // behind a backslash in a string
}

// feed takes the next piece. It returns how many bytes of it belong to the value, and whether the value ends
// there, which is before the comma or bracket that belongs to the surrounding value.
func (f *framer) feed(b []byte) (n int, end bool) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		if f.str {
			switch {
			case f.esc:
				f.esc = false
			case c == '\\':
				f.esc = true
			case c == '"':
				f.str = false
			}
			continue
		}
		switch c {
		case ' ', '\n', '\t', '\r':
			continue
		case ',', ':':
			switch {
			case f.depth == 0 && !f.started:
				f.started = true
				continue
			case f.depth == 0:
				return i, true
			case f.depth == 1 && c == ',':
				f.commas++
			}
			continue
		case ']', '}':
			if f.depth == 0 {
				return i, true
			}
			f.depth--
			continue
		}
		f.started = true
		if f.kind == 0 {
			f.kind = c
		} else if f.depth == 1 {
			f.content = true
		}
		switch c {
		case '"':
			f.str = true
		case '[', '{':
			f.depth++
		}
	}
	return len(b), false
}

// elements returns the number of elements of the array that was fed.
func (f *framer) elements() int {
	if !f.content && f.commas == 0 {
		return 0
	}
	return f.commas + 1
}

// indexNonSpace returns the index of the first byte of b from i on that is not white space, or len(b).
func indexNonSpace(b []byte, i int) int {
	for i < len(b) && jsonx.IsSpace(b[i]) {
		i++
	}
	return i
}
