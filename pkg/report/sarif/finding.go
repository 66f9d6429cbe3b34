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

// finding turns a result of a run into a finding. Its ID, and its Fingerprint unless a Writer has written it, are left
// to whoever takes it.
func (f *File) finding(r *run, res *resultJSON) *report.Finding {
	f.relocate(r, res)
	rule := r.find(res.Rule, string(res.RuleID), res.RuleIndex)
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
	case n != nil && *n != -1: // -1 says that it has none
		res.put("rank", *n)
	}
	if n := res.OccurrenceCount; n != nil {
		fd.OccurrenceCount = count(*n)
	}
	tags, score, residue := properties(fd, res)
	f.message(fd, res, rule)
	describe(fd, rule)
	f.locations(fd, r, res)
	fd.Suppression = res.suppression()
	fd.Tags = distinct(fd.Tags, tags, 2*maxTags)
	fd.References = distinct(nil, append([]text{text(helpURI(rule)), res.HostedViewerURI}, res.WorkItemURIs...), maxReferences)

	if score == "" && rule != nil {
		score = rule.severity
	}
	if score != "" {
		setProperty(fd, "security-severity", score)
	}
	if rule != nil && rule.precision != "" {
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
	if residue != nil {
		fd = f.restore(fd, residue)
	}
	if f.opt.AssetRef != "" || f.opt.AssetValue != "" || f.opt.AssetType != "" {
		fd.AssetRef, fd.AssetValue, fd.AssetType = f.opt.AssetRef, f.opt.AssetValue, f.opt.AssetType
	}
	return fd
}

// reserved are the properties of a finding that have a meaning of their own.
var reserved = []string{"sarif", "tool", outsideRoot, "withheld"}

// properties takes the property bag. It returns the tags and the security-severity in it, and what a Writer has
// put there.
func properties(fd *report.Finding, res *resultJSON) (tags []string, severity string, residue map[string]any) {
	if len(res.Properties) == 0 || string(res.Properties) == "null" {
		return nil, "", nil
	}
	if fd.Properties.UnmarshalJSON(res.Properties) != nil { // no object
		res.keep("properties", res.Properties)
		return nil, "", nil
	}
	if residue, _ = fd.Properties[residueName].(map[string]any); residue != nil {
		delete(fd.Properties, residueName)
	}
	if a, ok := fd.Properties[assetName].(map[string]any); ok {
		delete(fd.Properties, assetName)
		fd.AssetValue, _ = a["value"].(string)
		fd.AssetType, _ = a["type"].(string)
	}
	list, _ := fd.Properties["tags"].([]any)
	for _, tag := range list {
		if s, ok := tag.(string); ok {
			tags = append(tags, s)
		}
	}
	switch v := fd.Properties["security-severity"].(type) {
	case string:
		severity = v
	case json.Number:
		severity = v.String()
	}
	if slices.ContainsFunc(reserved, func(ours string) bool { _, clash := fd.Properties[ours]; return clash }) {
		res.put("properties", maps.Clone(fd.Properties))
		for _, ours := range reserved {
			delete(fd.Properties, ours)
		}
	}
	return tags, severity, residue
}

func setProperty(fd *report.Finding, name string, value any) {
	if fd.Properties == nil {
		fd.Properties = report.Properties{}
	}
	if _, there := fd.Properties[name]; !there {
		fd.Properties[name] = value
	}
}

// message sets the message. What of it does not fit is kept raw.
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
	if fd.Message == "" && rule != nil {
		fd.Message = cut(rule.title, f.lim.MaxMessageBytes)
	}
}

// describe takes what the rule says of the finding.
func describe(fd *report.Finding, rule *rule) {
	if rule == nil {
		rule = unknownRule
	}
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

var unknownRule = &rule{}

// titleOf returns the title of a finding: a line that a rule or a message begins with, or the name of the rule.
func titleOf(ruleTitle, ruleName, message, ruleID string) string {
	return cut(cmp.Or(firstLine(ruleTitle), ruleName, firstLine(message), ruleID, "untitled"), maxTitle)
}

func helpURI(r *rule) string {
	if r == nil {
		return ""
	}
	return r.helpURI
}

// locations sets the first location, and the others as related ones; how many of them the result gives as its own is
// kept.
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

func mark(loc *report.Location) {
	if loc.Extra == nil {
		loc.Extra = report.Extra{}
	}
	loc.Extra[outsideRoot] = json.RawMessage("true")
}

func marked(loc *report.Location) bool { return loc != nil && string(loc.Extra[outsideRoot]) == "true" }

// wrap returns a SARIF array as the one member of an object, since that is what the schema has in its place.
func wrap(name string, raw json.RawMessage) json.RawMessage {
	if raw = array(raw); raw == nil {
		return nil
	}
	return slices.Concat(json.RawMessage(`{"`+name+`":`), raw, json.RawMessage("}"))
}

// array returns raw if it is an array that is not empty.
func array(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '[' || raw[indexNot(raw, 1)] == ']' {
		return nil
	}
	return raw
}

// fingerprints joins both kinds a scanner gives, and keeps which names are of full ones; a value that is no string
// becomes its JSON. A fingerprint of our own, which a Writer has written, is the finding's.
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
	fingerprintName = "rediver/v1"    // of a Finding.Fingerprint, among SARIF fingerprints
	fullPrefix      = "fingerprints/" // of a full fingerprint whose name a partial one has, too
)

var ownFingerprint = regexp.MustCompile(`^[0-9a-f]{64}$`)
