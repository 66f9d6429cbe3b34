package sarif

import (
	"errors"
	"fmt"
)

// What Open returns for a file that is no SARIF.
var (
	ErrEmpty    = errors.New("sarif: the file is empty")
	ErrNotJSON  = errors.New("sarif: no JSON object in the file")
	ErrNotSARIF = errors.New("sarif: JSON, but no SARIF 2.1.0: it needs version and runs")
)

// VersionError says that a file is SARIF of another version.
type VersionError struct {
	Version string // at most 64 bytes
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("sarif: version %q, only 2.1.0 is read", e.Version)
}

// EncodingError says that a file is compressed or encoded in a way this package does not read.
type EncodingError struct {
	Encoding string // e.g. "gzip"
}

func (e *EncodingError) Error() string {
	return fmt.Sprintf("sarif: the file is %s: decompress it first", e.Encoding)
}

// badValueError says that one value was skipped; the input goes on behind it.
type badValueError struct {
	offset int64
	reason error
}

func (e *badValueError) Error() string {
	return fmt.Sprintf("value at byte %d: %v", e.offset, e.reason)
}
func (e *badValueError) Unwrap() error { return e.reason }

// endError says that nothing behind its place can be read, as the input ends early or is no JSON.
type endError struct {
	offset int64
	reason error
}

func (e *endError) Error() string {
	return fmt.Sprintf("input ends at byte %d: %v", e.offset, e.reason)
}
func (e *endError) Unwrap() error { return e.reason }

// maxWarnings bounds the list of warnings.
const maxWarnings = 100

// warnings is a bounded list.
type warnings struct {
	list []string
	more int
}

func (w *warnings) addf(format string, args ...any) {
	if len(w.list) == maxWarnings {
		w.more++
		return
	}
	w.list = append(w.list, cut(fmt.Sprintf(format, args...), 512))
}

// all returns the warnings, the last of which says how many there are more.
func (w *warnings) all() []string {
	out := append([]string(nil), w.list...)
	if w.more > 0 {
		out = append(out, fmt.Sprintf("and %d warnings more", w.more))
	}
	return out
}
