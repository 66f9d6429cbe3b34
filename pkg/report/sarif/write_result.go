package sarif

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// resultOut is a result as it is written. Suppressions are always written, since SARIF requires them in all results of a
// run or in none.
type resultOut struct {
	RuleID              string            `json:"ruleId,omitempty"`
	RuleIndex           *int              `json:"ruleIndex,omitempty"`
	GUID                json.RawMessage   `json:"guid,omitempty"`
	Kind                string            `json:"kind,omitempty"`
	Level               string            `json:"level,omitempty"`
	Message             message           `json:"message"`
	Locations           []*locationOut    `json:"locations,omitempty"`
	RelatedLocations    []*locationOut    `json:"relatedLocations,omitempty"`
	AnalysisTarget      json.RawMessage   `json:"analysisTarget,omitempty"`
	Fingerprints        map[string]string `json:"fingerprints,omitempty"`
	PartialFingerprints map[string]string `json:"partialFingerprints,omitempty"`
	CorrelationGUID     string            `json:"correlationGuid,omitempty"`
	OccurrenceCount     int               `json:"occurrenceCount,omitempty"`
	Rank                *float64          `json:"rank,omitempty"`
	BaselineState       string            `json:"baselineState,omitempty"`
	Suppressions        any               `json:"suppressions"`
	Taxa                json.RawMessage   `json:"taxa,omitempty"`
	CodeFlows           json.RawMessage   `json:"codeFlows,omitempty"`
	Stacks              json.RawMessage   `json:"stacks,omitempty"`
	Graphs              json.RawMessage   `json:"graphs,omitempty"`
	GraphTraversals     json.RawMessage   `json:"graphTraversals,omitempty"`
	Fixes               json.RawMessage   `json:"fixes,omitempty"`
	Attachments         json.RawMessage   `json:"attachments,omitempty"`
	HostedViewerURI     json.RawMessage   `json:"hostedViewerUri,omitempty"`
	WorkItemURIs        json.RawMessage   `json:"workItemUris,omitempty"`
	Provenance          json.RawMessage   `json:"provenance,omitempty"`
	WebRequest          json.RawMessage   `json:"webRequest,omitempty"`
	WebResponse         json.RawMessage   `json:"webResponse,omitempty"`
	Properties          report.Properties `json:"properties,omitempty"`
}

// The words that SARIF allows.
var (
	kinds = map[string]string{
		"pass": "pass", "open": "open", "informational": "informational", "notapplicable": "notApplicable", "review": "review", "fail": "fail",
	}
	levels         = set("none", "note", "warning", "error")
	baselineStates = set("new", "unchanged", "updated", "absent")
	statuses       = set("", "accepted", "underReview", "rejected")
	suppressKinds  = set("inSource", "external")
	suppressNames  = set("guid", "kind", "status", "justification", "location", "properties")
	guid           = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$`)
)

// resultOf returns the part of a finding that SARIF has a place for.
func (w *writtenRun) resultOf(f *report.Finding) (*resultOut, error) {
	o, err := originalOf(f)
	if err != nil {
		return nil, err
	}
	out := &resultOut{
		Kind: kinds[f.Kind], Message: o.message(f),
		GUID: o.guid(), AnalysisTarget: o.raw("analysisTarget", '{'), Taxa: o.taxa(),
		CodeFlows: unwrap("code_flows", f.DataFlow), Fixes: unwrap("fixes", f.Remediation),
		Stacks: array(f.Stacks), Attachments: array(f.Attachments),
		Graphs: o.raw("graphs", '['), GraphTraversals: o.raw("graphTraversals", '['),
		HostedViewerURI: o.raw("hostedViewerUri", '"'), WorkItemURIs: o.raw("workItemUris", '['),
		Provenance: o.raw("provenance", '{'), WebRequest: o.raw("webRequest", '{'), WebResponse: o.raw("webResponse", '{'),
		OccurrenceCount: max(f.OccurrenceCount, 0), Rank: o.rank(f), Suppressions: o.suppressions(f),
	}
	if guid.MatchString(f.CorrelationID) {
		out.CorrelationGUID = f.CorrelationID
	}
	if baselineStates[f.BaselineState] {
		out.BaselineState = f.BaselineState
	}
	if level := o.text("level"); levels[level] {
		out.Level = level
	}
	out.Fingerprints, out.PartialFingerprints = o.fingerprints(f)
	own := o.number("locations")
	for i, loc := range append([]*report.Location{f.Location}, f.RelatedLocations...) {
		switch {
		case loc == nil:
		case i == 0 || f.Location != nil && i < own:
			out.Locations = append(out.Locations, locationOf(loc))
		default:
			out.RelatedLocations = append(out.RelatedLocations, locationOf(loc))
		}
	}
	out.Properties = o.properties(f)
	if a := (asset{f.AssetType, f.AssetValue}); a != w.run.asset {
		assign(&out.Properties, assetName, any(a))
	}
	if f.RuleID != "" && len(f.RuleID) <= maxRuleID {
		out.RuleID = f.RuleID
		out.RuleIndex, err = w.index(ruleOf(f, o, out.Properties))
	}
	return out, err
}

// unwrap is the inverse of wrap. It returns nil for a value that wrap did not make.
func unwrap(name string, raw json.RawMessage) (list json.RawMessage) {
	n := 0
	members(raw, func(key, value []byte) {
		if n++; string(key) == name {
			list = value
		}
	})
	if n != 1 || !json.Valid(raw) {
		return nil
	}
	return array(list)
}

// tagsOf returns the tags that the rule must have, so that together with those in the result's properties they are the
// finding's.
func tagsOf(f *report.Finding, bag report.Properties) []string {
	own := tagsIn(bag)
	for n := max(0, len(f.Tags)-len(own)); n < len(f.Tags); n++ {
		if slices.Equal(distinct(slices.Clone(f.Tags[:n]), own, 2*maxTags), f.Tags) {
			return f.Tags[:n]
		}
	}
	return f.Tags
}

// helpOf returns the reference that becomes the rule's helpUri: the finding's first one, unless it comes from the result.
func helpOf(f *report.Finding, o original) string {
	var items []text
	_ = json.Unmarshal(o.raw("workItemUris", '['), &items) // a text accepts any value
	own := distinct(nil, append([]text{text(o.text("hostedViewerUri"))}, items...), maxReferences)
	if len(f.References) == 0 || slices.Equal(own, f.References) || !isURI(f.References[0]) || strings.Contains(f.References[0], "…") {
		return ""
	}
	return f.References[0]
}
