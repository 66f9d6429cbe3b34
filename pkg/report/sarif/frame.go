package sarif

import (
	"bytes"
	"encoding/json"
)

// framer finds the end of a JSON value by its brackets and strings alone. It takes the input in pieces, holds
// nothing of it and does not recurse, so a value of any size, depth or brokenness can be skipped.
type framer struct {
	depth   int
	deepest int
	commas  int  // between the members of the outermost array or object
	kind    byte // first byte of the value; 0 before it
	content bool // the outermost array or object is not empty
	started bool // the comma or colon that may stand before the value is behind
	str     bool // in a string
	esc     bool // behind a backslash in a string
}

// feed takes the next piece. It returns how many bytes of it belong to the value, and whether the value ends
// there: before the comma or the bracket that belongs to what the value is in.
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
			f.deepest = max(f.deepest, f.depth)
		}
	}
	return len(b), false
}

// elements returns how many elements the array that was fed has.
func (f *framer) elements() int {
	if !f.content && f.commas == 0 {
		return 0
	}
	return f.commas + 1
}

// members calls fn for each member of the JSON object b, which must be valid JSON and not null. The slices are parts
// of b. It returns the depth of b.
func members(b []byte, fn func(key, value []byte)) (depth int) {
	i := 1 + indexNot(b, 0)
	for i < len(b) {
		i = indexNot(b, i)
		if i >= len(b) || b[i] != '"' {
			break
		}
		var key, value framer
		n, _ := key.feed(b[i:])
		k := trimRight(b[i : i+n])
		i = indexNot(b, i+n+1)
		n, _ = value.feed(b[i:])
		depth = max(depth, value.deepest)
		fn(unescaped(k), trimRight(b[i:i+n]))
		i += n + 1
	}
	return depth + 1
}

// unescaped returns what a string, which must be valid JSON, says.
func unescaped(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return []byte(s)
}

// indexNot returns the index of the first byte of b from i on that is no JSON space.
func indexNot(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
