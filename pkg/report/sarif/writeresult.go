package sarif

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// resultOut is a result as it is written. Suppressions are always there, since SARIF wants them on all results of a
// run or on none.
type resultOut struct {
	RuleID              string            `json:"ruleId,omitempty"`
	RuleIndex           *int              `json:"ruleIndex,omitempty"`
	GUID                json.RawMessage   `json:"guid,omitempty"`
	Kind                string            `json:"kind,omitempty"`
	Level               string            `json:"level,omitempty"`
	Message             messageOut        `json:"message"`
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

type messageOut struct {
	Text      text   `json:"text"`
	Markdown  text   `json:"markdown,omitempty"`
	ID        text   `json:"id,omitempty"`
	Arguments []text `json:"arguments,omitempty"`
}

// suppressionOut is written for a Suppression that says it all.
type suppressionOut struct {
	Kind          string `json:"kind"`
	Status        string `json:"status,omitempty"`
	Justification string `json:"justification,omitempty"`
}

// What SARIF allows of words.
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

// resultOf returns what SARIF has a place for.
func (w *writtenRun) resultOf(f *report.Finding) (*resultOut, error) {
	kept, err := keptOf(f)
	if err != nil {
		return nil, err
	}
	out := &resultOut{
		Kind: kinds[f.Kind], Message: kept.message(f),
		GUID: kept.guid(), AnalysisTarget: kept.of("analysisTarget", '{'), Taxa: kept.taxa(),
		CodeFlows: unwrap("code_flows", f.DataFlow), Fixes: unwrap("fixes", f.Remediation),
		Stacks: array(f.Stacks), Attachments: array(f.Attachments),
		Graphs: kept.of("graphs", '['), GraphTraversals: kept.of("graphTraversals", '['),
		HostedViewerURI: kept.of("hostedViewerUri", '"'), WorkItemURIs: kept.of("workItemUris", '['),
		Provenance: kept.of("provenance", '{'), WebRequest: kept.of("webRequest", '{'), WebResponse: kept.of("webResponse", '{'),
		OccurrenceCount: max(f.OccurrenceCount, 0), Rank: kept.rank(f), Suppressions: kept.suppressions(f),
	}
	if guid.MatchString(f.CorrelationID) {
		out.CorrelationGUID = f.CorrelationID
	}
	if baselineStates[f.BaselineState] {
		out.BaselineState = f.BaselineState
	}
	if level := kept.text("level"); levels[level] {
		out.Level = level
	}
	out.Fingerprints, out.PartialFingerprints = kept.fingerprints(f)
	own := kept.number("locations")
	for i, loc := range append([]*report.Location{f.Location}, f.RelatedLocations...) {
		switch {
		case loc == nil:
		case i == 0 || f.Location != nil && i < own:
			out.Locations = append(out.Locations, locationOf(loc))
		default:
			out.RelatedLocations = append(out.RelatedLocations, locationOf(loc))
		}
	}
	out.Properties = kept.bag(f)
	if about := (asset{f.AssetType, f.AssetValue}); about != w.run.asset {
		out.setProperty(assetName, about)
	}
	if f.RuleID != "" && len(f.RuleID) <= maxRuleID {
		out.RuleID = f.RuleID
		out.RuleIndex, err = w.index(ruleOf(f, kept, out.Properties))
	}
	return out, err
}

func (r *resultOut) setProperty(name string, value any) {
	if r.Properties == nil {
		r.Properties = report.Properties{}
	}
	r.Properties[name] = value
}

// unwrap is the inverse of wrap; it returns nil for what wrap has not made.
func unwrap(name string, raw json.RawMessage) (list json.RawMessage) {
	n := 0
	eachMember(raw, func(key, value []byte) {
		if n++; string(key) == name {
			list = value
		}
	})
	if n != 1 || !json.Valid(raw) {
		return nil
	}
	return array(list)
}

// tagsOf returns the tags that the rule must have, so that with those in the bag they are the finding's.
func tagsOf(f *report.Finding, bag report.Properties) []string {
	var own []text
	list, _ := bag["tags"].([]any)
	for _, tag := range list {
		if s, ok := tag.(string); ok {
			own = append(own, text(s))
		}
	}
	for n := max(0, len(f.Tags)-len(own)); n < len(f.Tags); n++ {
		if slices.Equal(distinct(slices.Clone(f.Tags[:n]), own, 2*maxTags), f.Tags) {
			return f.Tags[:n]
		}
	}
	return f.Tags
}

// helpOf returns the first of a finding's references, for its rule, unless it stands at the result.
func helpOf(f *report.Finding, k kept) string {
	var items []text
	if json.Unmarshal(k.of("workItemUris", '['), &items) != nil {
		items = nil
	}
	own := distinct(nil, append([]text{text(k.text("hostedViewerUri"))}, items...), maxReferences)
	if len(f.References) == 0 || slices.Equal(own, f.References) || !isURI(f.References[0]) || strings.Contains(f.References[0], "…") {
		return ""
	}
	return f.References[0]
}
