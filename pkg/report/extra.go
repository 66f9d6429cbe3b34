package report

import (
	"bytes"
	"encoding/json"

	"github.com/rediverio/sdk/internal/jsonx"
)

// Extra holds the members of a JSON object that the model has no field for, as they were written, so that they survive
// a round trip. Nil is empty.
type Extra map[string]json.RawMessage

// Properties is a map of any values. Decoded numbers are json.Number, so that no digit is lost.
type Properties map[string]any

// UnmarshalJSON decodes an object and keeps its numbers as json.Number.
func (p *Properties) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	*p = m
	return nil
}

// unmarshal decodes b into plain, a pointer to a struct type without methods, and the members that plain has no field for
// into extra.
func unmarshal(b []byte, plain any, extra *Extra) error {
	unknown, err := jsonx.Unmarshal(b, plain)
	if err != nil {
		return err
	}
	*extra = unknown
	return nil
}

// marshal encodes the struct of the model that ptr points to.
func marshal(ptr any) ([]byte, error) { return jsonx.AppendStruct(nil, ptr) }
