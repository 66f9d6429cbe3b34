package sarif

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// run is a run with what its results refer to.
type run struct {
	Run
	driver     []rule
	extensions []component
	byID       map[string]*rule
	overrides  []override
	levels     map[*rule]string // what the invocations override
	bases      map[string]artifact
	home       string // the absolute base that stands for the root, "" for none
	artifacts  []artifact
	asset      asset // what a Writer says that the run is about
}

// component is an extension of a tool.
type component struct {
	name  string
	rules []rule
}

// header is the state of the first pass.
type header struct {
	*File
	w       *walker
	version string
	runsKey bool // the file has runs, if only null
	tool    bool // some run has a named driver
	rules   int
	results int
	held    int64 // bytes of text
	full    bool  // artifacts were dropped
}

// readHeader is the first pass.
func (f *File) readHeader() error {
	r, err := f.in.json()
	if err != nil {
		return err
	}
	h := &header{File: f, w: newWalker(r, f.lim.MaxResultBytes)}
	_, err = h.w.object(h.topMember)
	var end *endError
	switch {
	case errors.As(err, &end):
		f.partial = true
		f.warn.addf("partial: %v", end)
	case err != nil:
		return fmt.Errorf("sarif: header: %w", err)
	default:
		h.trailing()
	}
	for _, r := range f.runs {
		if r.Tool.Name == "" {
			r.Tool.Name = "unknown"
		}
		r.index()
		f.findHome(r)
	}
	return h.judge(end)
}

// trailing warns of text behind the JSON.
func (h *header) trailing() {
	h.w.src.rewind(h.w.mark())
	for {
		b, err := h.w.src.window()
		if err != nil {
			return
		}
		if indexNot(b, 0) < len(b) {
			h.warn.addf("text behind the JSON, at byte %d", h.at(h.w.src.offset()))
			return
		}
		h.w.src.pos = len(h.w.src.buf)
		h.w.src.lo = h.w.src.pos
	}
}

// at turns an offset of a walk into one of the file (of its text, where that is UTF-16).
func (f *File) at(off int64) int64 { return f.in.skip + f.in.banner + off }

// judge says whether the file is SARIF.
func (h *header) judge(end *endError) error {
	switch {
	case h.version == "" && (h.tool || end != nil && len(h.runs) > 0):
		h.warn.addf("the file does not say its version")
	case h.version == "" && end != nil && !errors.Is(end, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrNotJSON, end)
	case h.version == "" && end != nil:
		return fmt.Errorf("%w: %w", ErrNotSARIF, end)
	case h.version == "" || !h.runsKey && end == nil:
		return ErrNotSARIF
	case h.version != "2.1.0" && !strings.HasPrefix(h.version, "2.1.0-"):
		return &VersionError{cut(h.version, 64)}
	}
	return nil
}

func (h *header) topMember(key string) error {
	switch key {
	case "version":
		return h.text(&h.version)
	case "runs":
		h.runsKey = true
		kind, err := h.w.array(h.run)
		if err == nil && kind != '[' {
			h.warn.addf("runs is no array")
		}
		return err
	case "inlineExternalProperties":
		h.warn.addf("inlineExternalProperties are not read")
	}
	return h.skip()
}

func (h *header) run() error {
	if len(h.runs) >= h.lim.MaxRuns {
		return &LimitError{"MaxRuns", int64(len(h.runs)) + 1, int64(h.lim.MaxRuns)}
	}
	r := &run{Run: Run{ResultsUnknown: true}}
	h.runs = append(h.runs, r)
	kind, err := h.w.object(func(key string) error { return h.runMember(r, key) })
	if err == nil && kind != '{' {
		h.warn.addf("run %d is no object", len(h.runs)-1)
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
		return h.each(func() error { return h.invocation(r) })
	case "properties":
		return h.properties(r)
	case "versionControlProvenance":
		return h.each(func() error { return h.versionControl(r) })
	case "artifacts":
		return h.each(func() error { return h.artifact(r) })
	case "externalPropertyFileReferences":
		h.warn.addf("run %d refers to external property files, which are not read", len(h.runs)-1)
	}
	return h.skip()
}

// count counts the results without a look into them.
func (h *header) count(r *run) error {
	kind, n, err := h.w.skip()
	if kind != '[' {
		if kind != 0 && kind != 'n' {
			h.warn.addf("run %d: results is no array", len(h.runs)-1)
		}
		return err
	}
	if !r.ResultsUnknown {
		h.warn.addf("run %d has results twice: all are taken", len(h.runs)-1)
	}
	r.ResultsUnknown = false
	r.Results += n
	h.results += n
	if err == nil && h.results > h.lim.MaxResults {
		return &LimitError{"MaxResults", int64(h.results), int64(h.lim.MaxResults)}
	}
	return err
}

func (h *header) toolOf(r *run) error {
	_, err := h.w.object(func(key string) error {
		switch key {
		case "driver":
			return h.component(&r.Tool, func(c rule) { r.driver = append(r.driver, c) })
		case "extensions":
			return h.each(func() error {
				var t report.Tool
				var c component
				err := h.component(&t, func(rule rule) { c.rules = append(c.rules, rule) })
				c.name = t.Name
				r.extensions = append(r.extensions, c)
				return err
			})
		}
		return h.skip()
	})
	h.tool = h.tool || r.Tool.Name != ""
	return err
}

// component reads a tool component; its rules go to add.
func (h *header) component(t *report.Tool, add func(rule)) error {
	var plain, semantic string
	_, err := h.w.object(func(key string) error {
		switch key {
		case "name":
			return h.text(&t.Name)
		case "version":
			return h.text(&plain)
		case "semanticVersion":
			return h.text(&semantic)
		case "organization":
			return h.text(&t.Vendor)
		case "informationUri":
			return h.text(&t.InfoURL)
		case "rules":
			return h.each(func() error {
				r, err := h.rule()
				add(r)
				return err
			})
		}
		return h.skip()
	})
	t.Version = semantic
	if semantic == "" {
		t.Version = plain
	}
	return err
}

// each calls f for each element of the array that comes next; anything else is no elements.
func (h *header) each(f func() error) error {
	_, err := h.w.array(f)
	return err
}

func (h *header) skip() error {
	_, _, err := h.w.skip()
	return err
}

// text takes a string of at most 1 KiB, which anything but a string leaves as it was.
func (h *header) text(s *string) error {
	var v text
	err := h.decode("text", &v)
	if v != "" {
		*s = cut(string(v), 1<<10)
	}
	return errors.Join(err, h.keep(len(*s)))
}

// decode takes the next value into v, as far as its fields have the right types. A bad value leaves a warning.
func (h *header) decode(what string, v any) error {
	raw, err := h.w.value()
	var bad *badValueError
	if errors.As(err, &bad) {
		h.warn.addf("%s at byte %d skipped: %v", what, h.at(bad.offset), bad.reason)
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil { // what has the right type is decoded all the same
		h.warn.addf("%s: %v", what, err)
	}
	return nil
}

// keep counts n bytes of text that stay in memory.
func (h *header) keep(n int) error {
	h.held += int64(n)
	if h.held/2 > h.lim.MaxHeaderBytes {
		return &LimitError{"MaxHeaderBytes", h.held, h.lim.MaxHeaderBytes}
	}
	return nil
}

// room says whether text may be kept that is nice to have.
func (h *header) room() bool { return h.held < h.lim.MaxHeaderBytes }
