package pipeline

import (
	"reflect"

	"github.com/rediverio/sdk/pkg/report"
)

const (
	itemBytes  = 400     // estimate for the names and short texts of an item
	valueBytes = 16      // estimate for a value in properties
	maxValues  = 1 << 20 // values in properties that are visited, because a map may contain itself
	maxDepth   = 1000
)

// sizeHint estimates the size of a report in bytes without encoding it: everything that may be long, and a fixed amount
// per item.
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
			h.bytes += len(a.Description) + len(a.Value) + len(a.Technical)
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
	return int64(h.bytes)
}

// hint is the sum of an estimate.
type hint struct {
	bytes  int
	values int // that may still be visited
}

func (h *hint) finding(f *report.Finding) {
	h.item(f.Properties, f.Extra)
	h.bytes += len(f.Description) + len(f.Message) + len(f.Title) + len(f.Impact) +
		len(f.DataFlow) + len(f.Remediation) + len(f.Stacks) + len(f.Attachments)
	for _, s := range f.References {
		h.bytes += len(s)
	}
	if l := f.Location; l != nil {
		h.bytes += len(l.Snippet) + len(l.ContextSnippet) + len(l.LogicalLocation)
	}
	for _, l := range f.RelatedLocations {
		if l != nil {
			h.bytes += itemBytes + len(l.Snippet) + len(l.ContextSnippet)
		}
	}
}

func (h *hint) item(p report.Properties, x report.Extra) {
	h.bytes += itemBytes
	if len(p) > 0 {
		h.value(reflect.ValueOf(p), 0)
	}
	for name, raw := range x {
		h.bytes += len(name) + len(raw)
	}
}

func (h *hint) value(v reflect.Value, depth int) {
	if h.values--; h.values < 0 || depth > maxDepth {
		return
	}
	h.bytes += valueBytes
	switch v.Kind() {
	case reflect.String:
		h.bytes += v.Len()
	case reflect.Interface, reflect.Pointer:
		h.value(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			h.bytes += v.Len()
			return
		}
		for i := range v.Len() {
			h.value(v.Index(i), depth+1)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			h.value(it.Key(), depth+1)
			h.value(it.Value(), depth+1)
		}
	}
}
