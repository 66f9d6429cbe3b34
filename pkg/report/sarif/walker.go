package sarif

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// walker reads the objects and arrays of an input token by token, and returns or skips their values whole.
//
// A json.Decoder cannot continue behind an invalid value. The walker then returns to the beginning of the value, skips it
// by its brackets, and sets up a new decoder in the same state: before the rest of the input it is fed with the brackets
// that are open, and with null in place of the invalid value.
type walker struct {
	src    *source
	dec    *json.Decoder
	base   int64           // offset in the input of the decoder's first byte
	open   []byte          // '{' and '[' of the objects and arrays around the next token
	max    int64           // bound on the bytes of a value, and of a key
	raw    json.RawMessage // the last value
	prefix []byte          // text that the last restart fed to the decoder

	// The last value that was read by object, array or skip.
	kind     byte // '{', '[', 'n' for null, any other byte for another scalar, and 0 if there was no value
	elements int  // number of elements, if skip read an array
}

func newWalker(r io.Reader, maxValue int64) *walker {
	src := newSource(r)
	return &walker{src: src, dec: json.NewDecoder(src), max: maxValue}
}

// offset returns the position in the input.
func (w *walker) offset() int64 { return w.base + w.dec.InputOffset() }

// slack is the number of bytes that may be read in addition to the bound on a value: space and separators around it.
const slack = 4 << 10

// mark returns the offset. The source can be rewound to it until the next mark.
func (w *walker) mark() int64 {
	off := w.offset()
	w.src.release(off, w.max+slack)
	return off
}

// object calls f for each member of the next value, and f reads the member's value. If the next value is not an object,
// it is skipped.
func (w *walker) object(f func(key string) error) error {
	if entered, err := w.enter('{'); !entered {
		return err
	}
	for w.more() {
		off := w.mark()
		t, err := w.dec.Token()
		if err != nil {
			return w.fail(off, err)
		}
		key, ok := t.(string)
		if !ok {
			return &inputError{off, fmt.Errorf("%v in place of a key", t), true}
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return w.leave()
}

// array calls f for each element of the next value, and f reads the element. If the next value is not an array, it is
// skipped.
func (w *walker) array(f func() error) error {
	if entered, err := w.enter('['); !entered {
		return err
	}
	for w.more() {
		if err := f(); err != nil {
			return err
		}
	}
	return w.leave()
}

func (w *walker) more() bool {
	w.mark()
	return w.dec.More()
}

// enter reads the opening bracket of the next value if it is want, and skips the value otherwise.
func (w *walker) enter(want byte) (entered bool, err error) {
	w.kind = 0
	off := w.mark()
	t, err := w.dec.Token()
	if d, ok := t.(json.Delim); err == nil && ok && byte(d) == want {
		w.open = append(w.open, want)
		return true, nil
	}
	if end := w.fail(off, err); end != nil && !badJSON(err) {
		return false, end
	}
	if err = w.skipFrom(off); w.kind == want { // a bracket where no value may begin
		w.kind = 0
	}
	return false, err
}

// leave reads the closing bracket of the innermost object or array.
func (w *walker) leave() error {
	off := w.mark()
	if _, err := w.dec.Token(); err != nil {
		return w.fail(off, err)
	}
	last := len(w.open) - 1
	w.kind, w.open = w.open[last], w.open[:last]
	return nil
}

// value returns the text of the next value, which is valid until the next call. If it cannot be read, it is skipped, and
// the error is an *inputError that is not fatal.
func (w *walker) value() (json.RawMessage, error) {
	off := w.mark()
	w.raw = w.raw[:0]
	err := w.dec.Decode(&w.raw)
	if err == nil && int64(len(w.raw)) <= w.max {
		return w.raw, nil
	}
	if err == nil {
		return nil, &inputError{w.offset() - int64(len(w.raw)), w.tooLong(int64(len(w.raw))), false}
	}
	if !badJSON(err) {
		return nil, w.fail(off, err)
	}
	if errors.Is(err, errTooLong) {
		err = w.tooLong(w.max + 1)
	}
	if skipErr := w.skipFrom(off); skipErr != nil {
		return nil, skipErr
	}
	return nil, &inputError{off, err, false}
}

func (w *walker) tooLong(n int64) error { return &LimitError{"max_result_bytes", n, w.max} }

// skip passes over the next value.
func (w *walker) skip() error {
	w.kind = 0
	off := w.mark()
	t, err := w.dec.Token()
	if _, composite := t.(json.Delim); err == nil && !composite { // a scalar, which needs no restart
		if w.kind = 's'; t == nil {
			w.kind = 'n'
		}
		return nil
	}
	if !badJSON(err) {
		return w.fail(off, err)
	}
	return w.skipFrom(off)
}

// skipFrom rewinds the input to off and skips the value there by its brackets.
func (w *walker) skipFrom(off int64) error {
	w.src.rewind(off)
	f, err := w.src.skip()
	w.kind, w.elements = f.kind, f.elements()
	if err != nil {
		return w.fail(w.src.offset(), err)
	}
	return w.restart()
}

// restart sets up a new decoder behind a skipped value.
func (w *walker) restart() error {
	prefix := w.prefix[:0]
	for _, c := range w.open {
		if prefix = append(prefix, c); c == '{' {
			prefix = append(prefix, `"":`...)
		}
	}
	prefix = append(prefix, "null"...)
	w.prefix, w.src.prefix = prefix, prefix
	w.dec = json.NewDecoder(w.src)
	w.base = w.src.offset() - int64(len(prefix))
	w.src.stop = w.src.offset() + w.max + slack
	for w.dec.InputOffset() < int64(len(prefix)) {
		if _, err := w.dec.Token(); err != nil {
			return w.fail(w.src.offset(), err)
		}
	}
	return nil
}

// badJSON reports whether err concerns one value only, so that the input may continue behind it.
func badJSON(err error) bool {
	var syntax *json.SyntaxError
	return err == nil || errors.As(err, &syntax) || errors.Is(err, errTooLong)
}

// fail returns the error that ends the walk: a fatal *inputError if the input ends or is not JSON, a *LimitError if a key or
// value is over its bound, and any other error of the reader unchanged.
func (w *walker) fail(off int64, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &inputError{off, io.ErrUnexpectedEOF, true}
	case errors.Is(err, errTooLong):
		return w.tooLong(w.max + 1)
	case badJSON(err):
		return &inputError{off, err, true}
	}
	return err
}

// trailing returns the offset of the first text behind the JSON, and whether there is any.
func (w *walker) trailing() (off int64, found bool) {
	w.src.rewind(w.mark())
	for {
		b, err := w.src.window()
		if err != nil {
			return 0, false
		}
		if i := indexNonSpace(b, 0); i < len(b) {
			return w.src.offset() + int64(i), true
		}
		w.src.discard(len(b))
	}
}
