package sarif

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

const (
	maxTitle      = 256 // bytes
	maxReferences = 100
)

// finding turns a result of a run into a finding. Its Fingerprint and ID are left to whoever takes it.
func (f *File) finding(r *run, res *resultJSON) *report.Finding {
	rule := r.find(res.Rule, string(res.RuleID), res.RuleIndex)
	kind := strings.ToLower(string(res.Kind))
	fd := &report.Finding{
		RuleID: string(res.RuleID), Kind: kind, BaselineState: string(res.BaselineState),
		CorrelationID: string(res.CorrelationGUID),
		AssetRef:      f.opt.AssetRef, AssetValue: f.opt.AssetValue, AssetType: f.opt.AssetType,
		DataFlow: wrap("code_flows", res.CodeFlows), Remediation: wrap("fixes", res.Fixes),
		Stacks: array(res.Stacks), Attachments: array(res.Attachments),
		PartialFingerprints: fingerprints(res.PartialFingerprints, res.Fingerprints),
	}
	if fd.RuleID == "" {
		fd.RuleID = string(res.Rule.ID)
	}
	if n := res.Rank; n != nil && *n > 0 && *n <= 100 {
		fd.Rank = *n
	}
	if n := res.OccurrenceCount; n != nil {
		fd.OccurrenceCount = count(*n)
	}
	tags, score := properties(fd, res)
	f.message(fd, res, rule)
	describe(fd, rule)
	f.locations(fd, r, res)
	fd.Suppression = res.suppression()
	fd.Tags = distinct(fd.Tags, tags, 2*maxTags)
	fd.References = distinct(nil, append([]text{text(helpURI(rule)), res.HostedViewerURI}, res.WorkItemURIs...), maxReferences)
	if len(res.WorkItemURIs) > maxReferences {
		res.put("workItemUris", res.WorkItemURIs)
	}

	if score == "" && rule != nil {
		score = rule.severity
	}
	if score != "" {
		setProperty(fd, "security-severity", score)
	}
	if rule != nil && rule.precision != "" {
		setProperty(fd, "precision", rule.precision)
	}
	f.typed(fd, r, res, rule, score)
	fd.Severity = severityOf(score, r.levelOf(string(res.Level), kind, rule), kind, fd.Type)
	if len(res.rest) > 0 {
		setProperty(fd, "sarif", res.rest)
	}
	if r.Tool.Name != f.runs[0].Tool.Name {
		setProperty(fd, "tool", r.Tool.Name)
	}
	return fd
}

// properties takes the property bag. It returns the tags and the security-severity in it.
func properties(fd *report.Finding, res *resultJSON) (tags []string, severity string) {
	if len(res.Properties) == 0 {
		return nil, ""
	}
	if fd.Properties.UnmarshalJSON(res.Properties) != nil { // no object
		res.keep("properties", res.Properties)
		return nil, ""
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
	for _, ours := range []string{"sarif", "tool", "outside_root", "withheld"} {
		if _, clash := fd.Properties[ours]; clash {
			res.keep("properties", res.Properties)
			delete(fd.Properties, ours)
		}
	}
	return tags, severity
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
			if s != "" && string(s) != fd.Message {
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
	for _, title := range []string{firstLine(rule.title), rule.name, firstLine(fd.Message), fd.RuleID, "untitled"} {
		if title != "" {
			fd.Title = cut(title, maxTitle)
			break
		}
	}
	if rule.description != rule.title {
		fd.Description = rule.description
	}
}

var unknownRule = &rule{}

func helpURI(r *rule) string {
	if r == nil {
		return ""
	}
	return r.helpURI
}

// locations sets the first location, and the others as related ones.
func (f *File) locations(fd *report.Finding, r *run, res *resultJSON) {
	for i, raw := range slices.Concat(res.Locations, res.RelatedLocations) {
		loc, outside := f.location(r, raw)
		if loc == nil {
			continue
		}
		if outside && loc.Extra == nil {
			loc.Extra = report.Extra{}
		}
		if outside {
			loc.Extra["outside_root"] = json.RawMessage("true")
		}
		if i == 0 && len(res.Locations) > 0 {
			fd.Location = loc
			if outside {
				setProperty(fd, "outside_root", true)
			}
			continue
		}
		fd.RelatedLocations = append(fd.RelatedLocations, loc)
	}
}

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

// fingerprints joins both kinds a scanner gives; a value that is no string becomes its JSON.
func fingerprints(partial, full map[string]json.RawMessage) map[string]string {
	if len(partial)+len(full) == 0 {
		return nil
	}
	out := make(map[string]string, len(partial)+len(full))
	for key, raw := range partial {
		out[key] = canonical(raw)
	}
	for key, raw := range full {
		if _, clash := out[key]; clash {
			key = "fingerprints/" + key
		}
		out[key] = canonical(raw)
	}
	return out
}
