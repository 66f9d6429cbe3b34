package sarif

import (
	"errors"
	"fmt"
)

// Errors of Open for a file that is not SARIF.
var (
	ErrEmpty    = errors.New("sarif: the file is empty")
	ErrNotJSON  = errors.New("sarif: no JSON object in the file")
	ErrNotSARIF = errors.New("sarif: JSON, but not SARIF 2.1.0: version or runs is missing")
)

// VersionError is returned by Open for a file in another version of SARIF.
type VersionError struct {
	Version string // at most 64 bytes
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("sarif: unsupported version %q, want 2.1.0", e.Version)
}

// EncodingError is returned by Open for a compressed file.
type EncodingError struct {
	Encoding string // such as "gzip"
}

func (e *EncodingError) Error() string {
	return fmt.Sprintf("sarif: the file is compressed with %s: decompress it first", e.Encoding)
}

// inputError is an error at a place in the input.
type inputError struct {
	offset int64
	reason error
	fatal  bool // nothing behind the place can be read; otherwise one value was skipped
}

func (e *inputError) Error() string {
	if e.fatal {
		return fmt.Sprintf("input ends at byte %d: %v", e.offset, e.reason)
	}
	return fmt.Sprintf("value at byte %d: %v", e.offset, e.reason)
}

func (e *inputError) Unwrap() error { return e.reason }

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
	w.list = append(w.list, truncate(fmt.Sprintf(format, args...), 512))
}

// all returns the warnings, and a last line with the number of warnings that were not recorded.
func (w *warnings) all() []string {
	out := append([]string(nil), w.list...)
	if w.more > 0 {
		out = append(out, fmt.Sprintf("and %d more warnings", w.more))
	}
	return out
}
