package sarif

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

const (
	maxTitle      = 256 // bytes
	maxReferences = 100
)

// unknownRule stands for the rule of a result that refers to none.
var unknownRule = &rule{}

// finding converts a result of a run. It does not set ID, and sets Fingerprint only if a Writer recorded it.
func (f *File) finding(r *run, res *resultJSON) *report.Finding {
	f.relocate(r, res)
	rule := cmp.Or(r.find(res.Rule, string(res.RuleID), res.RuleIndex), unknownRule)
	kind := strings.ToLower(string(res.Kind))
	fd := &report.Finding{
		RuleID: string(res.RuleID), Kind: kind, BaselineState: string(res.BaselineState),
		CorrelationID: string(res.CorrelationGUID),
		AssetValue:    r.asset.Value, AssetType: r.asset.Type,
		DataFlow: wrap("code_flows", res.CodeFlows), Remediation: wrap("fixes", res.Fixes),
		Stacks: array(res.Stacks), Attachments: array(res.Attachments),
	}
	res.fingerprints(fd)
	if fd.RuleID == "" {
		fd.RuleID = string(res.Rule.ID)
	}
	switch n := res.Rank; {
	case n != nil && *n > 0 && *n <= 100:
		fd.Rank = *n
	case n != nil && *n != -1: // -1 means that there is no rank
		res.put("rank", *n)
	}
	if n := res.OccurrenceCount; n != nil {
		fd.OccurrenceCount = count(*n)
	}
	tags, score, supplement := properties(fd, res)
	f.message(fd, res, rule)
	describe(fd, rule)
	f.locations(fd, r, res)
	fd.Suppression = res.suppression()
	fd.Tags = distinct(fd.Tags, tags, 2*maxTags)
	fd.References = distinct(nil, append([]text{text(rule.helpURI), res.HostedViewerURI}, res.WorkItemURIs...), maxReferences)

	score = cmp.Or(score, rule.severity)
	if score != "" {
		setProperty(fd, "security-severity", score)
	}
	if rule.precision != "" {
		setProperty(fd, "precision", rule.precision)
	}
	if len(res.rest) > 0 {
		setProperty(fd, "sarif", res.rest)
	}
	f.typed(fd, r, res, rule, score)
	fd.Severity = severityOf(score, r.levelOf(string(res.Level), kind, rule), kind, fd.Type)
	if r.Tool.Name != f.runs[0].Tool.Name {
		setProperty(fd, "tool", r.Tool.Name)
	}
	if supplement != nil {
		fd = f.restore(fd, supplement)
	}
	if f.opt.AssetRef != "" || f.opt.AssetValue != "" || f.opt.AssetType != "" {
		fd.AssetRef, fd.AssetValue, fd.AssetType = f.opt.AssetRef, f.opt.AssetValue, f.opt.AssetType
	}
	return fd
}

// reserved are the properties that this package gives a finding. A scanner's properties of the same name are preserved in
// "sarif".
var reserved = []string{"sarif", "tool", outsideRoot, "withheld"}

// properties sets the finding's properties. It returns the tags and the security-severity among them, and the supplement
// of a Writer.
func properties(fd *report.Finding, res *resultJSON) (tags []string, severity string, supplement map[string]any) {
	if len(res.Properties) == 0 || string(res.Properties) == "null" {
		return nil, "", nil
	}
	if fd.Properties.UnmarshalJSON(res.Properties) != nil { // not an object
		res.preserve("properties", res.Properties)
		return nil, "", nil
	}
	if supplement, _ = fd.Properties[supplementName].(map[string]any); supplement != nil {
		delete(fd.Properties, supplementName)
	}
	if a, ok := fd.Properties[assetName].(map[string]any); ok {
		delete(fd.Properties, assetName)
		fd.AssetValue, _ = a["value"].(string)
		fd.AssetType, _ = a["type"].(string)
	}
	tags = tagsIn(fd.Properties)
	switch v := fd.Properties["security-severity"].(type) {
	case string:
		severity = v
	case json.Number:
		severity = v.String()
	}
	if slices.ContainsFunc(reserved, func(name string) bool { _, clash := fd.Properties[name]; return clash }) {
		res.put("properties", maps.Clone(fd.Properties))
		for _, name := range reserved {
			delete(fd.Properties, name)
		}
	}
	return tags, severity, supplement
}

// tagsIn returns the strings in the property "tags".
func tagsIn(p report.Properties) (tags []string) {
	list, _ := p["tags"].([]any)
	for _, tag := range list {
		if s, ok := tag.(string); ok {
			tags = append(tags, s)
		}
	}
	return tags
}

// setProperty sets a property unless the scanner did.
func setProperty(fd *report.Finding, name string, value any) {
	if _, ok := fd.Properties[name]; !ok {
		assign(&fd.Properties, name, value)
	}
}

// message sets the message, and preserves the parts of the SARIF message that the finding's text does not contain.
func (f *File) message(fd *report.Finding, res *resultJSON, rule *rule) {
	var whole bool
	fd.Message, whole = res.Message.resolve(rule, f.lim.MaxMessageBytes)
	if m := res.Message; !whole || m.ID != "" || len(m.Arguments) > 0 || m.Markdown != "" && m.Text != "" {
		raw := map[string]any{}
		for key, s := range map[string]text{"text": m.Text, "markdown": m.Markdown, "id": m.ID} {
			if s != "" && string(s) != fd.Message && !(key == "text" && string(s) == placeholders(fd.Message, m.Arguments)) {
				raw[key] = s
			}
		}
		if len(m.Arguments) > 0 {
			raw["arguments"] = m.Arguments
		}
		res.put("message", raw)
	}
	if fd.Message == "" {
		fd.Message = truncate(rule.title, f.lim.MaxMessageBytes)
	}
}

// describe sets the fields that come from the rule.
func describe(fd *report.Finding, rule *rule) {
	if fd.RuleID == "" {
		fd.RuleID = rule.id
	}
	fd.RuleName = rule.name
	fd.Tags = slices.Clone(rule.tags)
	fd.Title = titleOf(rule.title, rule.name, fd.Message, fd.RuleID)
	if rule.description != rule.title {
		fd.Description = rule.description
	}
}

// titleOf returns the title of a finding: the first line of the rule's title, the name of the rule, the first line of the
// message, or the ID of the rule, whichever is the first that is not empty.
func titleOf(ruleTitle, ruleName, message, ruleID string) string {
	return truncate(cmp.Or(firstLine(ruleTitle), ruleName, firstLine(message), ruleID, "untitled"), maxTitle)
}

// locations sets the first location, and the others as related ones. It preserves the number of locations that are the
// result's own.
func (f *File) locations(fd *report.Finding, r *run, res *resultJSON) {
	own := 0
	for i, raw := range slices.Concat(res.Locations, res.RelatedLocations) {
		loc, outside := f.location(r, raw)
		if loc == nil {
			continue
		}
		if outside {
			mark(loc)
		}
		if i < len(res.Locations) {
			own++
		}
		if own == 1 && fd.Location == nil {
			fd.Location = loc
			if outside {
				setProperty(fd, outsideRoot, true)
			}
			continue
		}
		fd.RelatedLocations = append(fd.RelatedLocations, loc)
	}
	if own > 1 {
		res.put("locations", own)
	}
}

// outsideRoot marks findings and locations whose path is not below the root.
const outsideRoot = "outside_root"

func mark(loc *report.Location) { assign(&loc.Extra, outsideRoot, json.RawMessage("true")) }

func marked(loc *report.Location) bool { return loc != nil && string(loc.Extra[outsideRoot]) == "true" }

// wrap returns a SARIF array as the only member of an object, since the report schema has an object in its place.
func wrap(name string, raw json.RawMessage) json.RawMessage {
	if raw = array(raw); raw == nil {
		return nil
	}
	return slices.Concat(json.RawMessage(`{"`+name+`":`), raw, json.RawMessage("}"))
}

// array returns raw if it is an array that is not empty.
func array(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '[' || raw[indexNonSpace(raw, 1)] == ']' {
		return nil
	}
	return raw
}

// fingerprints joins the full and the partial fingerprints of a scanner, and preserves the names of the full ones. A value
// that is not a string becomes its JSON. The fingerprint that a Writer recorded becomes the finding's own.
func (r *resultJSON) fingerprints(fd *report.Finding) {
	if len(r.PartialFingerprints)+len(r.Fingerprints) == 0 {
		return
	}
	out := make(map[string]string, len(r.PartialFingerprints)+len(r.Fingerprints))
	for key, raw := range r.PartialFingerprints {
		out[key] = canonical(raw)
	}
	var full []string
	for _, key := range slices.Sorted(maps.Keys(r.Fingerprints)) {
		value := canonical(r.Fingerprints[key])
		if key == fingerprintName && ownFingerprint.MatchString(value) {
			fd.Fingerprint = value
			continue
		}
		full = append(full, key)
		if _, clash := out[key]; clash {
			key = fullPrefix + key
		}
		out[key] = value
	}
	if full != nil {
		r.put("fingerprints", full)
	}
	if len(out) > 0 {
		fd.PartialFingerprints = out
	}
}

const (
	fingerprintName = "rediver/v1"    // name of Finding.Fingerprint among the SARIF fingerprints
	fullPrefix      = "fingerprints/" // precedes the name of a full fingerprint if a partial one has the same name
)

var ownFingerprint = regexp.MustCompile(`^[0-9a-f]{64}$`)
