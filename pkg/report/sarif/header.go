package sarif

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// run is a run with everything that its results refer to.
type run struct {
	Run
	driver     []rule
	extensions []component
	byID       map[string]*rule
	overrides  []override
	levels     map[*rule]string // levels that the invocations override
	bases      map[string]artifact
	home       string // absolute base that corresponds to the root, or ""
	artifacts  []artifact
	asset      asset // asset of the run, as a Writer recorded it
}

// header is the state of the first pass over a file.
type header struct {
	*File
	w       *walker
	version string
	hasRuns bool // the file has a member runs
	hasTool bool // a run has a named driver
	rules   int
	results int
	held    int64 // bytes of text that stay in memory
	full    bool  // artifacts were dropped
}

// readHeader makes the first pass.
func (f *File) readHeader() error {
	r, err := f.in.json()
	if err != nil {
		return err
	}
	h := &header{File: f, w: newWalker(r, f.lim.MaxResultBytes)}
	err = h.w.object(h.topMember)
	var end *inputError // a fatal one: decode reports the others
	switch {
	case errors.As(err, &end):
		f.partial = true
		f.warn.addf("partial: %v", end)
	case err != nil:
		return fmt.Errorf("sarif: header: %w", err)
	default:
		if off, found := h.w.trailing(); found {
			h.warn.addf("text behind the JSON, at byte %d", h.fileOffset(off))
		}
	}
	for _, r := range f.runs {
		if r.Tool.Name == "" {
			r.Tool.Name = "unknown"
		}
		r.index()
		f.findHome(r)
	}
	return h.checkVersion(end)
}

// fileOffset converts an offset of a walker into one in the file, or in the UTF-8 text of a UTF-16 file.
func (f *File) fileOffset(off int64) int64 { return f.in.skip + f.in.banner + off }

// checkVersion returns the error for a file that is not SARIF 2.1.0. end is not nil if the file ends early.
func (h *header) checkVersion(end *inputError) error {
	switch {
	case h.version == "" && (h.hasTool || end != nil && len(h.runs) > 0):
		h.warn.addf("the file has no version")
	case h.version == "" && end != nil && !errors.Is(end, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrNotJSON, end)
	case h.version == "" && end != nil:
		return fmt.Errorf("%w: %w", ErrNotSARIF, end)
	case h.version == "" || !h.hasRuns && end == nil:
		return ErrNotSARIF
	case h.version != "2.1.0" && !strings.HasPrefix(h.version, "2.1.0-"):
		return &VersionError{truncate(h.version, 64)}
	}
	return nil
}

func (h *header) topMember(key string) error {
	switch key {
	case "version":
		return h.text(&h.version)
	case "runs":
		h.hasRuns = true
		err := h.w.array(h.run)
		if err == nil && h.w.kind != '[' {
			h.warn.addf("runs is not an array")
		}
		return err
	case "inlineExternalProperties":
		h.warn.addf("inlineExternalProperties is not supported")
	}
	return h.w.skip()
}

func (h *header) run() error {
	if err := checkLimit("max_runs", len(h.runs)+1, h.lim.MaxRuns); err != nil {
		return err
	}
	r := &run{Run: Run{ResultsUnknown: true}}
	h.runs = append(h.runs, r)
	err := h.w.object(func(key string) error { return h.runMember(r, key) })
	if err == nil && h.w.kind != '{' {
		h.warn.addf("run %d is not an object", len(h.runs)-1)
	}
	return err
}

func (h *header) runMember(r *run, key string) error {
	switch key {
	case "tool":
		return h.toolOf(r)
	case "results":
		return h.count(r)
	case "originalUriBaseIds":
		return h.baseIDs(r)
	case "invocations":
		return h.w.array(func() error { return h.invocation(r) })
	case "properties":
		return h.properties(r)
	case "versionControlProvenance":
		return h.w.array(func() error { return h.versionControl(r) })
	case "artifacts":
		return h.w.array(func() error { return h.artifact(r) })
	case "externalPropertyFileReferences":
		h.warn.addf("run %d refers to external property files, which are not supported", len(h.runs)-1)
	}
	return h.w.skip()
}

// count counts the results without decoding them.
func (h *header) count(r *run) error {
	err := h.w.skip()
	if kind := h.w.kind; kind != '[' {
		if kind != 0 && kind != 'n' {
			h.warn.addf("run %d: results is not an array", len(h.runs)-1)
		}
		return err
	}
	if !r.ResultsUnknown {
		h.warn.addf("run %d has results twice: both are read", len(h.runs)-1)
	}
	r.ResultsUnknown = false
	r.Results += h.w.elements
	h.results += h.w.elements
	if err != nil {
		return err
	}
	return checkLimit("max_results", h.results, h.lim.MaxResults)
}

// text reads a string into s, truncated to 1 KiB. Any other value leaves s unchanged.
func (h *header) text(s *string) error {
	var v text
	err := h.decode("text", &v)
	if v != "" {
		*s = truncate(string(v), 1<<10)
	}
	return errors.Join(err, h.hold(len(*s)))
}

// decode reads the next value into v, but for fields of the wrong type. It skips a value that cannot be read with a
// warning.
func (h *header) decode(what string, v any) error {
	raw, err := h.w.value()
	var bad *inputError
	if errors.As(err, &bad) && !bad.fatal {
		h.warn.addf("%s at byte %d skipped: %v", what, h.fileOffset(bad.offset), bad.reason)
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil { // the other fields are decoded all the same
		h.warn.addf("%s: %v", what, err)
	}
	return nil
}

// hold counts n bytes of text that stay in memory.
func (h *header) hold(n int) error {
	h.held += int64(n)
	if h.held/2 > h.lim.MaxHeaderBytes {
		return &LimitError{"max_header_bytes", h.held, h.lim.MaxHeaderBytes}
	}
	return nil
}

// spacious reports whether text that is not essential may be held as well.
func (h *header) spacious() bool { return h.held < h.lim.MaxHeaderBytes }
