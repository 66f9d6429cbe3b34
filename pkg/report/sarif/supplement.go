package sarif

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// supplementName is the property of a result in which a Writer records the part of a finding that a reader would not
// restore from the rest of the result: members of the finding as in its JSON, and null for a member that it does not have.
// The member "properties" lists single properties in the same way.
const supplementName = "rediver/finding"

// assetName is the property in which a Writer records the asset of a run or a result.
const assetName = "rediver/asset"

// asset is the asset of a run or a result.
type asset struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// properties reads the properties that a Writer put into a run.
func (h *header) properties(r *run) error {
	return h.w.object(func(name string) error {
		if name != assetName {
			return h.w.skip()
		}
		var a struct{ Type, Value text }
		err := h.decode("asset", &a)
		r.asset = asset{truncate(string(a.Type), maxTagLength), truncate(string(a.Value), maxURI)}
		return err
	})
}

// supplementOf returns the members in which want differs from got, the finding that a reader makes of want's result. It
// returns nil if there are none.
func supplementOf(want, got *report.Finding) (report.Properties, error) {
	a, err := want.MarshalJSON() // json.Marshal would check and copy it once more
	if err != nil {
		return nil, err
	}
	b, err := got.MarshalJSON()
	if err != nil || bytes.Equal(a, b) {
		return nil, err
	}
	var x, y report.Properties
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
		assign(&out, "properties", any(diff))
	}
	return out, nil
}

// difference returns the members of x that y does not have, and null for those that only y has.
func difference(x, y map[string]any) (out report.Properties) {
	for name, value := range x {
		if !reflect.DeepEqual(value, y[name]) {
			assign(&out, name, value)
		}
	}
	for name, value := range y {
		if _, ok := x[name]; !ok && value != nil {
			assign(&out, name, nil)
		}
	}
	return out
}

// restore returns the finding with a supplement. The caller's options and the bounds on a finding take precedence over
// it, and a secret in it is withheld. A supplement that does not give a valid finding stays a property.
func (f *File) restore(fd *report.Finding, supplement map[string]any) *report.Finding {
	back, err := merge(fd, supplement)
	if err != nil || back.Type == "" || back.Title == "" || back.Severity.Rank() < 0 {
		setProperty(fd, supplementName, supplement)
		return fd
	}
	back.AssetRef = "" // the asset that it refers to is not in this report
	if f.opt.Type != "" {
		back.Type = fd.Type
	}
	f.markAll(back)
	back.Title = truncate(back.Title, maxTitle)
	back.Message = truncate(back.Message, f.lim.MaxMessageBytes)
	if back.Type == report.TypeSecret {
		withhold(back)
	}
	return back
}

// markAll marks the locations outside of the root, whatever marks the supplement has.
func (f *File) markAll(fd *report.Finding) {
	for _, loc := range append([]*report.Location{fd.Location}, fd.RelatedLocations...) {
		if loc != nil && f.root.excludes(clean(strings.ReplaceAll(loc.Path, `\`, "/"))) {
			mark(loc)
		}
	}
	if marked(fd.Location) {
		assign(&fd.Properties, outsideRoot, any(true))
	}
}

// merge returns fd with the members of supplement in place of its own.
func merge(fd *report.Finding, supplement map[string]any) (*report.Finding, error) {
	b, err := fd.MarshalJSON()
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
	diff, _ := supplement["properties"].(map[string]any)
	replace(own, diff)
	replace(all, supplement)
	all["properties"] = own
	if b, err = json.Marshal(all); err != nil {
		return nil, err
	}
	back := &report.Finding{}
	return back, json.Unmarshal(b, back)
}

// replace sets the members of by in all, and deletes those that are null.
func replace(all, by map[string]any) {
	for name, value := range by {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
}
