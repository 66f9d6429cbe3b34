package sarif

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// residueName is the property of a result in which a Writer leaves what a reader would not make of the rest of it:
// members of the finding as they are in its JSON, null for one that is not there. In its "properties" each property
// stands for itself.
const residueName = "rediver/finding"

// assetName is the property in which a Writer leaves what a run, or a result, is about.
const assetName = "rediver/asset"

// asset is what a run, or a result, is about.
type asset struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// properties takes what a Writer has put into those of a run.
func (h *header) properties(r *run) error {
	_, err := h.w.object(func(key string) error {
		if key != assetName {
			return h.skip()
		}
		var a struct{ Type, Value text }
		err := h.decode("asset", &a)
		r.asset = asset{cut(string(a.Type), maxTagLength), cut(string(a.Value), maxURI)}
		return err
	})
	return err
}

// residueOf returns what want has and got, read back from the result of want, has not; nil if there is nothing.
func residueOf(want, got *report.Finding) (map[string]any, error) {
	a, err := want.MarshalJSON() // json.Marshal would check and copy it once more
	if err != nil {
		return nil, err
	}
	b, err := got.MarshalJSON()
	if err != nil || bytes.Equal(a, b) {
		return nil, err
	}
	var x, y report.Properties // which any object is
	if err := x.UnmarshalJSON(a); err != nil {
		return nil, err
	}
	if err := y.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	inX, _ := x["properties"].(map[string]any)
	inY, _ := y["properties"].(map[string]any)
	delete(x, "properties")
	delete(y, "properties")
	out := difference(x, y)
	if diff := difference(inX, inY); diff != nil {
		if out == nil {
			out = map[string]any{}
		}
		out["properties"] = diff
	}
	return out, nil
}

// difference returns the members of x that y has not, and null for those that only y has.
func difference(x, y map[string]any) (out map[string]any) {
	add := func(name string, value any) {
		if out == nil {
			out = map[string]any{}
		}
		out[name] = value
	}
	for name, value := range x {
		if !reflect.DeepEqual(value, y[name]) {
			add(name, value)
		}
	}
	for name, value := range y {
		if _, there := x[name]; !there && value != nil {
			add(name, nil)
		}
	}
	return out
}

// restore returns the finding with the residue of a Writer. What the caller's options say, and the bounds of any
// finding, come before it; and a secret that it brings is withheld. A residue that gives no valid finding stays a
// property.
func (f *File) restore(fd *report.Finding, residue map[string]any) *report.Finding {
	back, err := merge(fd, residue)
	if err != nil || back.Type == "" || back.Title == "" || back.Severity.Rank() < 0 {
		setProperty(fd, residueName, residue)
		return fd
	}
	back.AssetRef = "" // it refers to nothing here
	if f.opt.Type != "" {
		back.Type = fd.Type
	}
	f.markAll(back)
	back.Title = cut(back.Title, maxTitle)
	back.Message = cut(back.Message, f.lim.MaxMessageBytes)
	if back.Type == report.TypeSecret {
		withhold(back)
	}
	return back
}

// markAll marks what is outside of the root, whatever a file says.
func (f *File) markAll(fd *report.Finding) {
	for _, loc := range append([]*report.Location{fd.Location}, fd.RelatedLocations...) {
		if loc != nil && f.isOutside(clean(strings.ReplaceAll(loc.Path, `\`, "/"))) {
			mark(loc)
		}
	}
	if marked(fd.Location) {
		setProperty(fd, outsideRoot, true)
		fd.Properties[outsideRoot] = true
	}
}

// merge returns fd with the members of residue in place of its own.
func merge(fd *report.Finding, residue map[string]any) (*report.Finding, error) {
	b, err := json.Marshal(fd)
	if err != nil {
		return nil, err
	}
	var all report.Properties
	if err := all.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	own, _ := all["properties"].(map[string]any)
	if own == nil {
		own = map[string]any{}
	}
	diff, _ := residue["properties"].(map[string]any)
	replace(own, diff)
	replace(all, residue)
	all["properties"] = own
	if b, err = json.Marshal(all); err != nil {
		return nil, err
	}
	back := &report.Finding{}
	return back, json.Unmarshal(b, back)
}

func replace(all, by map[string]any) {
	for name, value := range by {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
}
