package sarif

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/jsonx"
)

// resultJSON is a SARIF result. Members that are decoded later stay raw.
type resultJSON struct {
	RuleID              text                       `json:"ruleId"`
	RuleIndex           *float64                   `json:"ruleIndex"`
	Rule                descriptor                 `json:"rule"`
	Kind                text                       `json:"kind"`
	Level               text                       `json:"level"`
	Message             message                    `json:"message"`
	Locations           []json.RawMessage          `json:"locations"`
	RelatedLocations    []json.RawMessage          `json:"relatedLocations"`
	Fingerprints        map[string]json.RawMessage `json:"fingerprints"`
	PartialFingerprints map[string]json.RawMessage `json:"partialFingerprints"`
	CodeFlows           json.RawMessage            `json:"codeFlows"`
	Fixes               json.RawMessage            `json:"fixes"`
	Stacks              json.RawMessage            `json:"stacks"`
	Attachments         json.RawMessage            `json:"attachments"`
	Suppressions        []json.RawMessage          `json:"suppressions"`
	BaselineState       text                       `json:"baselineState"`
	CorrelationGUID     text                       `json:"correlationGuid"`
	HostedViewerURI     text                       `json:"hostedViewerUri"`
	WorkItemURIs        []text                     `json:"workItemUris"`
	Rank                *float64                   `json:"rank"`
	OccurrenceCount     *float64                   `json:"occurrenceCount"`
	Taxa                []taxon                    `json:"taxa"`
	Properties          json.RawMessage            `json:"properties"`

	rest map[string]any // raw members that a finding has no field for, by name
}

// mapped are the members of a result that a finding has a field for. All others, and the level, go into its property
// "sarif", except null values.
var mapped = set("ruleId", "ruleIndex", "rule", "kind", "message", "locations", "relatedLocations", "fingerprints",
	"partialFingerprints", "codeFlows", "fixes", "stacks", "attachments", "suppressions", "baselineState",
	"correlationGuid", "rank", "occurrenceCount", "properties")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

var errNotObject = errors.New("a result must be an object")

// parseResult decodes a result field by field. A field of the wrong type is left out, and the whole result is preserved
// beside the finding. It returns an error for a result that must be quarantined.
func parseResult(raw []byte, maxDepth int) (*resultJSON, error) {
	if raw[0] != '{' {
		return nil, fmt.Errorf("%w, not a value that begins with %q", errNotObject, raw[0])
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	res := &resultJSON{}
	s := jsonx.NewScanner(raw)
	err := s.Members(func(name []byte) error {
		value, err := s.Value()
		if err == nil && !mapped[string(name)] && string(value) != "null" {
			res.preserve(string(name), value)
		}
		return err
	})
	if err == nil {
		err = checkLimit("max_depth", s.Deepest(), maxDepth)
	}
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(raw, res)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		res.rest = nil
		res.preserve("result", raw)
		return res, nil
	}
	return res, err
}

// preserve puts a copy of a raw value into rest.
func (r *resultJSON) preserve(name string, value []byte) {
	r.put(name, json.RawMessage(bytes.Clone(value)))
}

// put sets a value in rest.
func (r *resultJSON) put(name string, value any) { assign(&r.rest, name, value) }
