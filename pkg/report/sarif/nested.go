package sarif

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/rediverio/sdk/pkg/report"
)

// artifactKey is what an artifact's location is called wherever there is one.
var artifactKey = []byte(`"artifactLocation"`)

// relocate calls relocated for all parts of a result that stay SARIF.
func (f *File) relocate(r *run, res *resultJSON) {
	for _, raw := range []*json.RawMessage{&res.CodeFlows, &res.Fixes, &res.Stacks, &res.Attachments} {
		*raw = f.relocated(r, *raw)
	}
	for i, raw := range res.Suppressions {
		res.Suppressions[i] = f.relocated(r, raw)
	}
	for name, v := range res.rest {
		raw, _ := v.(json.RawMessage)
		switch name {
		case "result": // as it was
		case "analysisTarget":
			res.rest[name] = json.RawMessage(f.artifactLocation(r, raw))
		default:
			res.rest[name] = f.relocated(r, raw)
		}
	}
}

// relocated returns a part of a result that stays SARIF, like code flows, with every artifact's location in it as that
// of a finding: resolved, without bases and indexes that mean nothing outside of the file, and marked where it is
// outside of the root.
//
// A key can be told by its bytes: in a string its quotes would be escaped, and no other string has a colon behind it.
func (f *File) relocated(r *run, raw json.RawMessage) json.RawMessage {
	var out []byte
	rest := raw
	for {
		key := bytes.Index(rest, artifactKey)
		if key < 0 {
			break
		}
		at := indexNot(rest, key+len(artifactKey))
		if key > 0 && rest[key-1] == '\\' || at == len(rest) || rest[at] != ':' {
			out, rest = append(out, rest[:at]...), rest[at:]
			continue
		}
		at = indexNot(rest, at+1)
		var value framer
		n, _ := value.feed(rest[at:])
		out = append(out, rest[:at]...)
		out = append(out, f.artifactLocation(r, rest[at:at+n])...)
		rest = rest[at+n:]
	}
	if out == nil {
		return raw
	}
	return append(out, rest...)
}

// artifactLocation returns the location of an artifact as it stands in a finding.
func (f *File) artifactLocation(r *run, raw []byte) []byte {
	var a artifact
	if len(raw) == 0 || raw[0] != '{' || ignoreType(json.Unmarshal(raw, &a)) != nil {
		return raw
	}
	p, outside := f.resolve(r, a)
	uri := uriOf(p)
	if !outside && uri == string(a.URI) && a.BaseID == "" && a.Index == nil {
		return raw
	}
	var all report.Extra
	members(raw, func(key, value []byte) {
		if name := string(key); name != "uri" && name != "uriBaseId" && name != "index" {
			put(&all, name, value)
		}
	})
	if uri != "" {
		text, _ := encode(uri) // a string: it cannot fail
		put(&all, "uri", text)
	}
	if outside {
		put(&all, "properties", withMark(all["properties"]))
	}
	text, err := encode(all)
	if all == nil || err != nil {
		return []byte("{}")
	}
	return text
}

// withMark returns properties with the mark for what is outside of the root.
func withMark(raw json.RawMessage) []byte {
	all := report.Extra{}
	eachMember(raw, func(key, value []byte) { all[string(key)] = slices.Clone(value) })
	all[outsideRoot] = json.RawMessage("true")
	text, _ := encode(all) // raw values that are valid JSON: it cannot fail
	return text
}
