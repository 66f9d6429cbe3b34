package sarif

import (
	"maps"
	"slices"
	"strings"
)

// rule is the part of a reporting descriptor that is held in memory.
type rule struct {
	id, name    string
	title       string // short description
	description string // full description
	helpURI     string
	level       string // default level
	severity    string // security-severity as it is written
	precision   string
	cwes, tags  []string
	messages    map[string]string
}

// ruleJSON is a reporting descriptor.
type ruleJSON struct {
	ID                   text               `json:"id"`
	Name                 text               `json:"name"`
	ShortDescription     message            `json:"shortDescription"`
	FullDescription      message            `json:"fullDescription"`
	HelpURI              text               `json:"helpUri"`
	MessageStrings       map[string]message `json:"messageStrings"`
	DefaultConfiguration configuration      `json:"defaultConfiguration"`
	Properties           ruleProperties     `json:"properties"`
	Relationships        []relationship     `json:"relationships"`
}

// configuration is the reporting configuration of a rule.
type configuration struct {
	Level text `json:"level"`
}

// relationship relates a rule to a taxon, such as a CWE.
type relationship struct {
	Target taxon  `json:"target"`
	Kinds  []text `json:"kinds"`
}

type ruleProperties struct {
	SecuritySeverity text   `json:"security-severity"`
	Precision        text   `json:"precision"`
	Tags             []text `json:"tags"`
}

const (
	maxRuleID    = 1 << 10
	maxRuleText  = 4 << 10
	maxTags      = 50
	maxTagLength = 256
)

// rule reads the next rule. An invalid rule keeps its place in the list, because results refer to rules by index.
func (h *header) rule() (rule, error) {
	h.rules++
	if err := checkLimit("max_rules", h.rules, h.lim.MaxRules); err != nil {
		return rule{}, err
	}
	var j ruleJSON
	if err := h.decode("rule", &j); err != nil {
		return rule{}, err
	}
	r := j.rule()
	size := len(r.id) + 16*len(r.cwes)
	if h.spacious() {
		size += r.describe(&j)
	} else {
		h.warn.addf("rule %q: description dropped because of max_header_bytes", r.id)
	}
	return r, h.hold(size)
}

// rule returns the fields that are always held.
func (j *ruleJSON) rule() rule {
	r := rule{
		id: truncate(string(j.ID), maxRuleID), level: truncate(string(j.DefaultConfiguration.Level), 64),
		severity: truncate(string(j.Properties.SecuritySeverity), 64),
	}
	for _, rel := range j.Relationships {
		r.cwes = appendCWE(r.cwes, rel.Target.cwe())
	}
	r.cwes = appendCWEs(r.cwes, nil, j.Properties.Tags)
	return r
}

// describe sets the fields that are not essential, and returns their size.
func (r *rule) describe(j *ruleJSON) (size int) {
	take := func(s string, n int) string {
		s = truncate(s, n)
		size += len(s)
		return s
	}
	r.name = take(string(j.Name), maxTagLength)
	r.title = take(string(j.ShortDescription.Text), maxRuleText)
	r.description = take(string(j.FullDescription.Text), maxRuleText)
	r.helpURI = take(string(j.HelpURI), maxRuleText)
	r.precision = take(string(j.Properties.Precision), 64)
	for _, tag := range j.Properties.Tags[:min(len(j.Properties.Tags), maxTags)] {
		r.tags = append(r.tags, take(string(tag), maxTagLength))
	}
	ids := slices.Sorted(maps.Keys(j.MessageStrings))
	for _, id := range ids[:min(len(ids), maxTags)] {
		if r.messages == nil {
			r.messages = map[string]string{}
		}
		r.messages[take(id, maxTagLength)] = take(j.MessageStrings[id].any(), maxRuleText)
	}
	return size
}

// index prepares the look-up of rules by ID, and the overrides of their levels.
func (r *run) index() {
	r.byID = map[string]*rule{}
	add := func(rules []rule) {
		for i := range rules {
			if id := rules[i].id; id != "" && r.byID[id] == nil {
				r.byID[id] = &rules[i]
			}
		}
	}
	add(r.driver)
	r.Rules = len(r.driver)
	for _, e := range r.extensions {
		add(e.rules)
		r.Rules += len(e.rules)
	}
	r.levels = map[*rule]string{}
	for _, o := range r.overrides {
		if rule := r.find(o.Descriptor, "", nil); rule != nil && o.Configuration.Level != "" {
			r.levels[rule] = string(o.Configuration.Level)
		}
	}
	r.overrides = nil
}

// descriptor refers to a rule.
type descriptor struct {
	ID            text     `json:"id"`
	Index         *float64 `json:"index"`
	ToolComponent *struct {
		Name  text     `json:"name"`
		Index *float64 `json:"index"`
	} `json:"toolComponent"`
}

// find returns the rule that a result refers to: by index in an extension, by index in the driver, by ID, or by the
// longest prefix of a hierarchical ID ("A/sub") that is the ID of a rule. It returns nil if there is none.
//
// An index is ignored if the rule there has another ID than the result, since some tools write wrong indexes.
func (r *run) find(d descriptor, id string, ruleIndex *float64) *rule {
	if id == "" {
		id = string(d.ID)
	}
	fits := func(rules []rule, i *float64) *rule {
		if at, ok := indexIn(i, len(rules)); ok && (id == "" || related(id, rules[at].id)) {
			return &rules[at]
		}
		return nil
	}
	found := fits(r.component(d), d.Index)
	if found == nil {
		found = fits(r.driver, ruleIndex)
	}
	for part := id; found == nil && part != ""; {
		found = r.byID[part]
		part = part[:max(strings.LastIndexByte(part, '/'), 0)]
	}
	return found
}

// component returns the rules of the tool component that d names, or the driver's if it names none.
func (r *run) component(d descriptor) []rule {
	if d.ToolComponent == nil {
		return r.driver
	}
	if i, ok := indexIn(d.ToolComponent.Index, len(r.extensions)); ok {
		return r.extensions[i].rules
	}
	i := slices.IndexFunc(r.extensions, func(c component) bool { return c.name == string(d.ToolComponent.Name) })
	if i < 0 || d.ToolComponent.Name == "" {
		return r.driver
	}
	return r.extensions[i].rules
}

// related reports whether a result with the ID id can belong to the rule with the ID ruleID.
func related(id, ruleID string) bool {
	return ruleID == "" || id == ruleID || strings.HasPrefix(id, ruleID+"/")
}

// indexIn returns i as an index into a list of n elements. ok is false if it is not one.
func indexIn(i *float64, n int) (index int, ok bool) {
	if i == nil || *i < 0 || *i >= float64(n) {
		return 0, false
	}
	return int(*i), true
}
