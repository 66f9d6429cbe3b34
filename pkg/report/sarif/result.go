package sarif

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// resultJSON is a SARIF result. What is read in parts later stays raw.
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

	rest map[string]any // what a finding has no field for, raw
}

// mapped are the members of a result that a finding has a field for. The rest, and the level, goes into its
// property "sarif", but for nulls, which mean that there is nothing.
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

// parseResult decodes a result field by field: one that has the wrong type is left out, and the whole result is
// kept raw beside the finding. It returns an error for a result that is to be quarantined.
func parseResult(raw []byte, maxDepth int) (*resultJSON, error) {
	if raw[0] != '{' {
		return nil, fmt.Errorf("%w, and begins with %q", errNotObject, raw[0])
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	res := &resultJSON{}
	depth := members(raw, func(key, value []byte) {
		if !mapped[string(key)] && string(value) != "null" {
			res.keep(string(key), value)
		}
	})
	if depth > maxDepth {
		return nil, &LimitError{"MaxDepth", int64(depth), int64(maxDepth)}
	}
	err := json.Unmarshal(raw, res)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		res.rest = nil
		res.keep("result", raw)
		return res, nil
	}
	return res, err
}

// keep puts a copy of a raw value into rest.
func (r *resultJSON) keep(key string, value []byte) { r.put(key, json.RawMessage(slices.Clone(value))) }

// put sets a value in rest.
func (r *resultJSON) put(key string, value any) {
	if r.rest == nil {
		r.rest = map[string]any{}
	}
	r.rest[key] = value
}
