package sarif

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// walker goes through the objects and arrays of an input token by token, and takes or skips their values whole.
//
// After a bad value, which a json.Decoder does not get past, it goes back to where the value began, skips it by
// its brackets, and sets up a new decoder in the same state: fed, before the rest of the input, with the brackets
// that are open and a null in place of the bad value.
type walker struct {
	src  *source
	dec  *json.Decoder
	base int64           // offset in the input of the decoder's first byte
	open []byte          // '{' and '[': what the walk is in
	max  int64           // bytes a value, and a key, may have
	raw  json.RawMessage // the last value
	pre  []byte          // of the last restart
}

func newWalker(r io.Reader, maxValue int64) *walker {
	src := newSource(r)
	return &walker{src: src, dec: json.NewDecoder(src), max: maxValue}
}

// offset is the place in the input.
func (w *walker) offset() int64 { return w.base + w.dec.InputOffset() }

// slack is read in addition to the bound of a value: space and separators around it.
const slack = 4 << 10

// mark returns the offset, to which the source can go back until the next mark.
func (w *walker) mark() int64 {
	off := w.offset()
	w.src.release(off, w.max+slack)
	return off
}

// object calls f for each member of the object that comes next; f takes the value. If something else comes next,
// it is skipped, and the kind is its first byte.
func (w *walker) object(f func(key string) error) (kind byte, err error) {
	if kind, err = w.enter('{'); kind != '{' || err != nil {
		return kind, err
	}
	for w.more() {
		off := w.mark()
		t, err := w.dec.Token()
		if err != nil {
			return kind, w.fail(off, err)
		}
		key, ok := t.(string)
		if !ok {
			return kind, &endError{off, fmt.Errorf("%v in place of a key", t)}
		}
		if err := f(key); err != nil {
			return kind, err
		}
	}
	return kind, w.leave()
}

// array calls f for each element of the array that comes next; f takes the element. If something else comes
// next, it is skipped, and the kind is its first byte.
func (w *walker) array(f func() error) (kind byte, err error) {
	if kind, err = w.enter('['); kind != '[' || err != nil {
		return kind, err
	}
	for w.more() {
		if err := f(); err != nil {
			return kind, err
		}
	}
	return kind, w.leave()
}

func (w *walker) more() bool {
	w.mark()
	return w.dec.More()
}

// enter goes into the object or array that comes next, or skips what is there in its place. The kind is want only
// if it is in.
func (w *walker) enter(want byte) (kind byte, err error) {
	off := w.mark()
	t, err := w.dec.Token()
	if d, ok := t.(json.Delim); err == nil && ok && byte(d) == want {
		w.open = append(w.open, want)
		return want, nil
	}
	if end := w.fail(off, err); end != nil && !badJSON(err) {
		return 0, end
	}
	f, err := w.skipFrom(off)
	if f.kind == want { // there is one, but not where it may be: it was skipped as well
		return 0, err
	}
	return f.kind, err
}

// leave goes out of the object or array that ends here.
func (w *walker) leave() error {
	off := w.mark()
	if _, err := w.dec.Token(); err != nil {
		return w.fail(off, err)
	}
	w.open = w.open[:len(w.open)-1]
	return nil
}

// value returns the value that comes next, as it is; it is valid until the next call. A *badValueError says that
// it was skipped.
func (w *walker) value() (json.RawMessage, error) {
	off := w.mark()
	w.raw = w.raw[:0]
	err := w.dec.Decode(&w.raw)
	if err == nil && int64(len(w.raw)) <= w.max {
		return w.raw, nil
	}
	if err == nil {
		return nil, &badValueError{w.offset() - int64(len(w.raw)), w.tooLong(int64(len(w.raw)))}
	}
	if !badJSON(err) {
		return nil, w.fail(off, err)
	}
	if errors.Is(err, errTooLong) {
		err = w.tooLong(w.max + 1)
	}
	if _, skipErr := w.skipFrom(off); skipErr != nil {
		return nil, skipErr
	}
	return nil, &badValueError{off, err}
}

func (w *walker) tooLong(n int64) error { return &LimitError{"MaxResultBytes", n, w.max} }

// skip passes over the value that comes next, and returns its first byte and, if it is an array, how many elements
// it has.
func (w *walker) skip() (kind byte, elements int, err error) {
	off := w.mark()
	t, err := w.dec.Token()
	if _, composite := t.(json.Delim); err == nil && !composite {
		return kindOf(t), 0, nil // most are like this, and cost no restart
	}
	if !badJSON(err) {
		return 0, 0, w.fail(off, err)
	}
	f, err := w.skipFrom(off)
	return f.kind, f.elements(), err
}

// kindOf returns the first byte of a scalar, with 0 for a number and t for both booleans.
func kindOf(t json.Token) byte {
	switch t.(type) {
	case nil:
		return 'n'
	case string:
		return '"'
	case bool:
		return 't'
	}
	return '0'
}

// skipFrom goes back to off and skips the value there by its brackets.
func (w *walker) skipFrom(off int64) (*framer, error) {
	w.src.rewind(off)
	f, err := w.src.skip()
	if err != nil {
		return f, w.fail(w.src.offset(), err)
	}
	return f, w.restart()
}

// restart sets up a new decoder behind the value that was skipped.
func (w *walker) restart() error {
	pre := w.pre[:0]
	for _, c := range w.open {
		if pre = append(pre, c); c == '{' {
			pre = append(pre, `"":`...)
		}
	}
	pre = append(pre, "null"...)
	w.pre, w.src.pre = pre, pre
	w.dec = json.NewDecoder(w.src)
	w.base = w.src.offset() - int64(len(pre))
	w.src.stop = w.src.offset() + w.max + slack
	for w.dec.InputOffset() < int64(len(pre)) {
		if _, err := w.dec.Token(); err != nil {
			return w.fail(w.src.offset(), err)
		}
	}
	return nil
}

// badJSON says whether err is about the value alone, so that the input may go on behind it.
func badJSON(err error) bool {
	var syntax *json.SyntaxError
	return err == nil || errors.As(err, &syntax) || errors.Is(err, errTooLong)
}

// fail returns err as what ends the walk: an *endError where the input ends or is no JSON, a *LimitError where it
// is over a bound, and any other error of the reader as it is.
func (w *walker) fail(off int64, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &endError{off, io.ErrUnexpectedEOF}
	case errors.Is(err, errTooLong):
		return w.tooLong(w.max + 1)
	case badJSON(err):
		return &endError{off, err}
	}
	return err
}
