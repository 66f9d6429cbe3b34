package resource

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
)

// maxFile bounds what is read of a file.
const maxFile = 4 << 20

// lookAgain is the number of samples after which a file that was not there is looked for again: a controller of a
// control group can be turned on later.
const lookAgain = 16

// kept is a file of the kernel that each sample reads: it is opened once, and then read from its beginning.
type kept struct {
	name string // empty: there is none
	f    *os.File
	good bool // it could be read once
	rest int  // samples until it is looked for again
}

func (k *kept) close() {
	if k.f != nil {
		_ = k.f.Close() // opened for reading
		k.f = nil
	}
}

// reader reads kept files into one buffer.
type reader struct {
	buf  []byte
	errs []error // of files that could be read once
	gone bool    // such a file is not there any more
}

// read returns what is in the file, valid until the next read, or nil where there is none. A file whose descriptor
// fails is opened again by its name, for its control group may have been made anew.
func (r *reader) read(k *kept) []byte {
	if k.name == "" {
		return nil
	}
	if k.rest > 0 {
		k.rest--
		return nil
	}
	reopen := k.f != nil
	b, err := r.pread(k)
	if err != nil && reopen {
		k.close()
		b, err = r.pread(k)
	}
	switch {
	case err == nil:
		k.good = true
		return b
	case errors.Is(err, fs.ErrNotExist):
		r.gone = r.gone || k.good
		k.good, k.rest = false, lookAgain
	case k.good:
		r.errs = append(r.errs, err)
	default: // here, but not for us: pressure files of a kernel that has them turned off
		k.rest = lookAgain
	}
	k.close()
	return nil
}

func (r *reader) pread(k *kept) ([]byte, error) {
	if k.f == nil {
		f, err := os.Open(k.name)
		if err != nil {
			return nil, err
		}
		k.f = f
	}
	for {
		n, err := k.f.ReadAt(r.buf, 0)
		if err == io.EOF {
			return r.buf[:n], nil
		}
		if err != nil || n >= maxFile {
			return r.buf[:n], err
		}
		r.buf = make([]byte, max(2*len(r.buf), 8<<10))
	}
}

// number reads a file that holds one number.
func (r *reader) number(k *kept) (n int64, ok bool) {
	return parseNumber(bytes.TrimSpace(r.read(k)))
}

// parseNumber takes "max", and what is beyond int64, for math.MaxInt64.
func parseNumber(b []byte) (n int64, ok bool) {
	switch string(b) {
	case "max":
		return math.MaxInt64, true
	case "": // of a file that is not there: an error of strconv would be allocated
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if errors.Is(err, strconv.ErrRange) && b[0] != '-' {
		return math.MaxInt64, true
	}
	return n, err == nil
}

// statOf finds the number of a name in lines "name number"; 0 where there is none.
func statOf(text []byte, name string) (n int64, ok bool) {
	for line := range bytes.Lines(text) {
		if key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); string(key) == name {
			return parseNumber(value)
		}
	}
	return 0, false
}
