package sarif

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// ruleOut describes a rule as one of its findings shows it. Findings that show it differently refer to descriptions of
// their own with the same ID, which SARIF allows.
type ruleOut struct {
	ID                   string             `json:"id"`
	Name                 string             `json:"name,omitempty"`
	ShortDescription     *message           `json:"shortDescription,omitempty"`
	FullDescription      *message           `json:"fullDescription,omitempty"`
	HelpURI              string             `json:"helpUri,omitempty"`
	DefaultConfiguration configuration      `json:"defaultConfiguration"`
	Relationships        []relationship     `json:"relationships,omitempty"`
	Properties           *rulePropertiesOut `json:"properties,omitempty"`
}

type rulePropertiesOut struct {
	Tags             []string `json:"tags,omitempty"`
	Precision        string   `json:"precision,omitempty"`
	SecuritySeverity string   `json:"security-severity,omitempty"`
}

// levelOfSeverity is the default level of a rule.
var levelOfSeverity = map[report.Severity]string{
	report.Critical: "error", report.High: "error", report.Medium: "warning", report.Low: "note", report.Info: "none",
}

// ruleOf returns the description of the finding's rule. bag holds the properties of the result.
func ruleOf(f *report.Finding, o original, bag report.Properties) *ruleOut {
	r := &ruleOut{
		ID: f.RuleID, Name: f.RuleName, HelpURI: helpOf(f, o),
		DefaultConfiguration: configuration{text(levelOfSeverity[f.Severity])},
		FullDescription:      short(f.Description),
	}
	if f.Title != titleOf("", f.RuleName, f.Message, f.RuleID) {
		r.ShortDescription = short(f.Title)
	}
	p := rulePropertiesOut{Tags: tagsOf(f, bag)}
	text := func(name string) string {
		if _, ok := bag[name]; ok {
			return ""
		}
		s, _ := f.Properties[name].(string)
		return s
	}
	p.Precision, p.SecuritySeverity = text("precision"), text("security-severity")
	if len(p.Tags) > 0 || p.Precision != "" || p.SecuritySeverity != "" {
		r.Properties = &p
	}
	r.Relationships = weaknessesOf(f, o, p.Tags)
	return r
}

// short returns a text as a message, or nil for a text that is empty or that a reader would truncate.
func short(s string) *message {
	if s == "" || len(s) > maxRuleText {
		return nil
	}
	return &message{Text: text(s)}
}

// weaknessesOf returns the relationships to the finding's weaknesses, or nil if tags and taxa imply all of them.
func weaknessesOf(f *report.Finding, o original, tags []string) (out []relationship) {
	if f.Vulnerability == nil || len(f.Vulnerability.CWEIDs) == 0 {
		return nil
	}
	var taxa []taxon
	if json.Unmarshal(o.raw("taxa", '['), &taxa) != nil {
		taxa = nil
	}
	implied := appendCWEs(appendCWEs(nil, nil, tags), taxa, f.Tags)
	if slices.Equal(implied, f.Vulnerability.CWEIDs) {
		return nil
	}
	for _, id := range f.Vulnerability.CWEIDs {
		rel := relationship{Kinds: []text{"superset"}}
		rel.Target.ToolComponent.Name = "CWE"
		if n := strings.TrimPrefix(id, "CWE-"); number.MatchString(n) {
			rel.Target.ID = text(n)
			out = append(out, rel)
		}
	}
	return out
}
