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

// maxFile bounds the bytes read of a file.
const maxFile = 4 << 20

// retrySamples is the number of samples after which a missing file is opened again: a controller of a control group can be
// turned on later.
const retrySamples = 16

// cachedFile is a file of the kernel that every sample reads. It stays open and is read from its beginning.
type cachedFile struct {
	name string // empty: no file
	f    *os.File
	good bool // it has been read before
	skip int  // samples until the next attempt to open it
}

func (k *cachedFile) close() {
	if k.f != nil {
		_ = k.f.Close() // opened for reading
		k.f = nil
	}
}

// reader reads cached files into one buffer.
type reader struct {
	buf  []byte
	errs []error // of files that have been read before
	gone bool    // such a file no longer exists
}

// read returns the content of the file, valid until the next read, or nil if there is none. A file whose descriptor fails is
// opened again by its name, since its control group may have been created again.
func (r *reader) read(k *cachedFile) []byte {
	if k.name == "" {
		return nil
	}
	if k.skip > 0 {
		k.skip--
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
		k.good, k.skip = false, retrySamples
	case k.good:
		r.errs = append(r.errs, err)
	default: // it exists but cannot be read: pressure files of a kernel that has them turned off
		k.skip = retrySamples
	}
	k.close()
	return nil
}

func (r *reader) pread(k *cachedFile) ([]byte, error) {
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
func (r *reader) number(k *cachedFile) (n int64, ok bool) {
	return parseNumber(bytes.TrimSpace(r.read(k)))
}

// parseNumber returns math.MaxInt64 for "max" and for numbers beyond int64.
func parseNumber(b []byte) (n int64, ok bool) {
	switch string(b) {
	case "max":
		return math.MaxInt64, true
	case "": // a missing file; strconv would allocate an error
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if errors.Is(err, strconv.ErrRange) && b[0] != '-' {
		return math.MaxInt64, true
	}
	return n, err == nil
}

// statOf returns the number of a name in lines of the form "name number".
func statOf(text []byte, name string) (n int64, ok bool) {
	for line := range bytes.Lines(text) {
		if key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); string(key) == name {
			return parseNumber(value)
		}
	}
	return 0, false
}
