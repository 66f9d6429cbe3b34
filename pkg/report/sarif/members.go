package sarif

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// members calls f for each member of raw, which is a part of valid JSON. If raw is not an object, it has no members.
func members(raw []byte, f func(name, value []byte)) { _ = jsonx.Members(raw, f) }

// membersExcept returns copies of the members of raw, but for null values and those with an excluded name. It returns
// nil if there are none.
func membersExcept(raw []byte, exclude map[string]bool) (all report.Extra) {
	members(raw, func(name, value []byte) {
		if !exclude[string(name)] {
			put(&all, string(name), value)
		}
	})
	return all
}

// put sets a copy of a raw value, unless it is empty or null.
func put(to *report.Extra, name string, value []byte) {
	if len(value) == 0 || string(value) == "null" {
		return
	}
	assign(to, name, bytes.Clone(value))
}

// encodeMembers returns the object with these members, nil if there are none.
func encodeMembers(all report.Extra) []byte {
	if all == nil {
		return nil
	}
	b, _ := encode(all) // raw values that are valid JSON: it cannot fail
	return b
}

// assign sets a value in a map, which it makes if it is nil.
func assign[M ~map[string]V, V any](m *M, name string, value V) {
	if *m == nil {
		*m = M{}
	}
	(*m)[name] = value
}

// encode returns v as JSON in one line of valid UTF-8, without the escapes that HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !utf8.Valid(out) { // encoding/json does not check this in raw JSON
		out = bytes.ToValidUTF8(out, []byte("\uFFFD"))
	}
	return out, nil
}
