package pipeline

import (
	"encoding/json"

	"github.com/rediverio/sdk/pkg/report"
)

// sizeHint estimates a report's bytes without encoding it: what may be long, and a fixed amount an item.
func sizeHint(r *report.Report) int64 {
	h := hint{values: maxValues}
	h.item(r.Properties, r.Extra)
	h.item(r.Metadata.Properties, r.Metadata.Extra)
	if r.Tool != nil {
		h.item(r.Tool.Properties, r.Tool.Extra)
	}
	for _, a := range r.Assets {
		if a != nil {
			h.item(a.Properties, a.Extra)
			h.bytes += int64(len(a.Description) + len(a.Value) + len(a.Technical))
		}
	}
	for _, d := range r.Dependencies {
		if d != nil {
			h.item(d.Properties, d.Extra)
		}
	}
	for _, f := range r.Findings {
		if f != nil {
			h.finding(f)
		}
	}
	return h.bytes
}

// hint adds up an estimate.
type hint struct {
	bytes  int64
	values int // of properties that are still looked at: one may contain itself
}

const (
	itemBytes  = 400     // of an item's short texts and names
	valueBytes = 16      // of a value in properties
	maxValues  = 1 << 20 // of one report
)

func (h *hint) finding(f *report.Finding) {
	h.item(f.Properties, f.Extra)
	h.bytes += int64(len(f.Description) + len(f.Message) + len(f.Title) + len(f.Impact) +
		len(f.DataFlow) + len(f.Remediation) + len(f.Stacks) + len(f.Attachments))
	for _, s := range f.References {
		h.bytes += int64(len(s))
	}
	if l := f.Location; l != nil {
		h.bytes += int64(len(l.Snippet) + len(l.ContextSnippet) + len(l.LogicalLocation))
	}
	for _, l := range f.RelatedLocations {
		if l != nil {
			h.bytes += itemBytes + int64(len(l.Snippet)+len(l.ContextSnippet))
		}
	}
}

func (h *hint) item(p report.Properties, x report.Extra) {
	h.bytes += itemBytes
	if len(p)+len(x) == 0 { // beginning to range over a map costs, even one that is nil
		return
	}
	for name, v := range p {
		h.bytes += int64(len(name))
		h.value(v, 0)
	}
	for name, raw := range x {
		h.bytes += int64(len(name) + len(raw))
	}
}

// value adds a value of properties, to any depth that a decoder would take.
func (h *hint) value(v any, depth int) {
	const deep = 1000
	if h.values--; h.values < 0 || depth > deep {
		return
	}
	h.bytes += valueBytes
	switch v := v.(type) {
	case string:
		h.bytes += int64(len(v))
	case json.Number:
		h.bytes += int64(len(v))
	case []byte:
		h.bytes += int64(len(v))
	case json.RawMessage:
		h.bytes += int64(len(v))
	case []string:
		for _, s := range v {
			h.bytes += int64(len(s))
		}
	case []any:
		for _, e := range v {
			h.value(e, depth+1)
		}
	case map[string]any:
		for name, e := range v {
			h.bytes += int64(len(name))
			h.value(e, depth+1)
		}
	case report.Properties:
		h.value(map[string]any(v), depth)
	}
}
