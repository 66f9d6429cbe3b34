package sarif

import (
	"bytes"
	"encoding/json"

	"github.com/rediverio/sdk/internal/jsonx"
)

// artifactKey is the name of every artifact location.
const artifactKey = "artifactLocation"

// relocate calls relocated for all parts of a result that a finding carries as SARIF.
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
		case "result": // preserved as it was
		case "analysisTarget":
			res.rest[name] = json.RawMessage(f.artifactLocation(r, raw))
		default:
			res.rest[name] = f.relocated(r, raw)
		}
	}
}

// relocated returns a part of a result, such as code flows, in which every artifact location is resolved like the location of
// the finding: without bases and indexes, which have no meaning outside of the file, and marked if it is outside of the
// root.
func (f *File) relocated(r *run, raw json.RawMessage) json.RawMessage {
	if !bytes.Contains(raw, []byte(artifactKey)) {
		return raw
	}
	var out []byte
	copied := 0 // bytes of raw that are in out
	s := jsonx.NewScanner(raw)
	var visit func() error
	visit = func() error {
		switch s.Peek() {
		case '{':
			return s.Members(func(name []byte) error {
				if string(name) != artifactKey {
					return visit()
				}
				s.Peek()
				start := s.Pos()
				value, err := s.Value()
				out = append(append(out, raw[copied:start]...), f.artifactLocation(r, value)...)
				copied = s.Pos()
				return err
			})
		case '[':
			return s.Elements(visit)
		}
		_, err := s.Value()
		return err
	}
	_ = visit() // raw is valid JSON
	return append(out, raw[copied:]...)
}

// artifactLocation returns an artifact location in the form that it has in a finding.
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
	all := membersExcept(raw, artifactPlace)
	if uri != "" {
		text, _ := encode(uri) // a string: it cannot fail
		put(&all, "uri", text)
	}
	if outside {
		properties := membersExcept(all["properties"], nil)
		put(&properties, outsideRoot, []byte("true"))
		put(&all, "properties", encodeMembers(properties))
	}
	if all == nil {
		return []byte("{}")
	}
	return encodeMembers(all)
}

// artifactPlace has the members of an artifact location that resolve replaces.
var artifactPlace = set("uri", "uriBaseId", "index")
