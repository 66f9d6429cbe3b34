package sarif

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rediverio/sdk/pkg/report"
)

// kept is what the property "sarif" of a finding holds.
type kept map[string]json.RawMessage

func keptOf(f *report.Finding) (k kept, err error) {
	if v, there := f.Properties["sarif"]; there {
		b, err := encode(v)
		if err != nil {
			return nil, err
		}
		eachMember(b, func(key, value []byte) {
			if k == nil {
				k = kept{}
			}
			k[string(key)] = value
		})
	}
	return k, nil
}

// of returns what begins as a value of the right type does.
func (k kept) of(name string, first byte) json.RawMessage {
	if raw := k[name]; len(raw) > 0 && raw[0] == first {
		return raw
	}
	return nil
}

// objects returns a list of objects; ok is false for anything else.
func (k kept) objects(name string) (list []kept, ok bool) {
	raw := k.of(name, '[')
	return list, raw != nil && json.Unmarshal(raw, &list) == nil
}

func (k kept) taxa() json.RawMessage {
	if _, ok := k.objects("taxa"); !ok {
		return nil
	}
	return k["taxa"]
}

func (k kept) text(name string) (s string) {
	_ = json.Unmarshal(k.of(name, '"'), &s) // it is valid, or absent
	return s
}

func (k kept) number(name string) (n int) {
	if json.Unmarshal(k[name], &n) != nil {
		return 0
	}
	return n
}

func (k kept) guid() json.RawMessage {
	if !guid.MatchString(k.text("guid")) {
		return nil
	}
	return k["guid"]
}

func (k kept) rank(f *report.Finding) *float64 {
	n := f.Rank
	if json.Unmarshal(k["rank"], &n) != nil && n == 0 || n < 0 || n > 100 {
		return nil
	}
	return &n
}

// message returns the message that says what the finding says, in the form in which the scanner gave it.
func (k kept) message(f *report.Finding) (out messageOut) {
	var m message
	if raw := k.of("message", '{'); raw != nil {
		_ = json.Unmarshal(raw, &m) // a message never fails
	}
	out = messageOut(m)
	if out.Text == "" {
		out.Text = text(placeholders(f.Message, m.Arguments))
	}
	return out
}

func (k kept) suppressions(f *report.Finding) any {
	if list, ok := k.objects("suppressions"); ok && !slices.ContainsFunc(list, notSuppression) {
		return k["suppressions"]
	}
	s := f.Suppression
	if s == nil {
		return []suppressionOut{}
	}
	out := suppressionOut{Kind: s.Kind, Justification: s.Justification}
	if !suppressKinds[s.Kind] {
		out.Kind = "external"
	}
	if statuses[s.Status] {
		out.Status = s.Status
	}
	return []suppressionOut{out}
}

// notSuppression says whether SARIF has no such suppression.
func notSuppression(raw kept) bool {
	for name := range raw {
		if !suppressNames[name] {
			return true
		}
	}
	return !suppressKinds[raw.text("kind")] || !statuses[raw.text("status")]
}

// fingerprints takes apart what the reader joined, and adds our own.
func (k kept) fingerprints(f *report.Finding) (full, partial map[string]string) {
	full, partial = map[string]string{}, maps.Clone(f.PartialFingerprints)
	var names []string
	if json.Unmarshal(k.of("fingerprints", '['), &names) != nil {
		names = nil
	}
	for _, name := range names {
		from := name
		if _, clash := partial[fullPrefix+name]; clash {
			from = fullPrefix + name
		}
		if value, there := partial[from]; there {
			full[name] = value
			delete(partial, from)
		}
	}
	if ownFingerprint.MatchString(f.Fingerprint) {
		full[fingerprintName] = f.Fingerprint
	}
	return full, partial
}

// bag returns the properties of the result: those the scanner gave.
func (k kept) bag(f *report.Finding) report.Properties {
	bag := report.Properties{}
	if raw := k.of("properties", '{'); raw == nil || bag.UnmarshalJSON(raw) != nil {
		bag = maps.Clone(f.Properties)
		for _, ours := range reserved {
			delete(bag, ours)
		}
		for _, name := range ofRule {
			if _, text := bag[name].(string); text && f.RuleID != "" {
				delete(bag, name)
			}
		}
	}
	delete(bag, residueName)
	delete(bag, assetName)
	return bag
}

// ofRule are the properties that stand at the rule, where they are text.
var ofRule = []string{"security-severity", "precision"}
