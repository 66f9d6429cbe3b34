package sarif

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// original holds the members of a SARIF result that a reader preserved in the finding's property "sarif".
type original map[string]json.RawMessage

func originalOf(f *report.Finding) (o original, err error) {
	v, ok := f.Properties["sarif"]
	if !ok {
		return nil, nil
	}
	b, err := encode(v)
	if err != nil {
		return nil, err
	}
	members(b, func(name, value []byte) { assign(&o, string(name), value) })
	return o, nil
}

// raw returns a member if it begins with first, which tells its type, and nil otherwise.
func (o original) raw(name string, first byte) json.RawMessage {
	if raw := o[name]; len(raw) > 0 && raw[0] == first {
		return raw
	}
	return nil
}

// objects returns a list of objects. ok is false for any other value.
func (o original) objects(name string) (list []original, ok bool) {
	raw := o.raw(name, '[')
	return list, raw != nil && json.Unmarshal(raw, &list) == nil
}

func (o original) taxa() json.RawMessage {
	if _, ok := o.objects("taxa"); !ok {
		return nil
	}
	return o["taxa"]
}

func (o original) text(name string) string {
	s, _ := jsonx.String(o[name])
	return s
}

func (o original) number(name string) (n int) {
	if json.Unmarshal(o[name], &n) != nil {
		return 0
	}
	return n
}

func (o original) guid() json.RawMessage {
	if !guid.MatchString(o.text("guid")) {
		return nil
	}
	return o["guid"]
}

func (o original) rank(f *report.Finding) *float64 {
	n := f.Rank
	if json.Unmarshal(o["rank"], &n) != nil && n == 0 || n < 0 || n > 100 {
		return nil
	}
	return &n
}

// message returns the message of the finding in the form in which the scanner wrote it.
func (o original) message(f *report.Finding) (m message) {
	if raw := o.raw("message", '{'); raw != nil {
		_ = json.Unmarshal(raw, &m) // a message ignores fields of the wrong type
	}
	m.Text = cmp.Or(m.Text, text(placeholders(f.Message, m.Arguments)))
	return m
}

func (o original) suppressions(f *report.Finding) any {
	if list, ok := o.objects("suppressions"); ok && !slices.ContainsFunc(list, original.invalidSuppression) {
		return o["suppressions"]
	}
	s := f.Suppression
	if s == nil {
		return []suppressionJSON{}
	}
	out := suppressionJSON{Kind: text(s.Kind), Justification: text(s.Justification)}
	if !suppressKinds[s.Kind] {
		out.Kind = "external"
	}
	if statuses[s.Status] {
		out.Status = text(s.Status)
	}
	return []suppressionJSON{out}
}

// invalidSuppression reports whether SARIF does not allow such a suppression.
func (o original) invalidSuppression() bool {
	for name := range o {
		if !suppressNames[name] {
			return true
		}
	}
	return !suppressKinds[o.text("kind")] || !statuses[o.text("status")]
}

// fingerprints separates the full from the partial fingerprints, which the reader joined, and adds the finding's own.
func (o original) fingerprints(f *report.Finding) (full, partial map[string]string) {
	full, partial = map[string]string{}, maps.Clone(f.PartialFingerprints)
	var names []string
	if json.Unmarshal(o.raw("fingerprints", '['), &names) != nil {
		names = nil
	}
	for _, name := range names {
		from := name
		if _, clash := partial[fullPrefix+name]; clash {
			from = fullPrefix + name
		}
		if value, ok := partial[from]; ok {
			full[name] = value
			delete(partial, from)
		}
	}
	if ownFingerprint.MatchString(f.Fingerprint) {
		full[fingerprintName] = f.Fingerprint
	}
	return full, partial
}

// properties returns the properties of the result: those that the scanner wrote.
func (o original) properties(f *report.Finding) report.Properties {
	bag := report.Properties{}
	if raw := o.raw("properties", '{'); raw == nil || bag.UnmarshalJSON(raw) != nil {
		bag = maps.Clone(f.Properties)
		for _, name := range reserved {
			delete(bag, name)
		}
		for _, name := range ofRule {
			if _, ok := bag[name].(string); ok && f.RuleID != "" {
				delete(bag, name)
			}
		}
	}
	delete(bag, supplementName)
	delete(bag, assetName)
	return bag
}

// ofRule are the properties that an export gives to the rule if they are text.
var ofRule = []string{"security-severity", "precision"}
