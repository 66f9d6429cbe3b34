package report

import (
	"bytes"
	"encoding/json"
)

// Extra holds the members of a JSON object that the model has no field for, as they were written, so that they survive
// a round trip.
type Extra map[string]json.RawMessage

// Properties are values of a caller's own, by name. Numbers are decoded as json.Number, so that no digit is lost.
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
