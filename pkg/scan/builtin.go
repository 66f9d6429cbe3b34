package scan

import (
	"embed"
	"path"
	"strings"
	"sync"
)

// shipped are the definitions of the scanners the SDK knows, and custom.yaml to begin one of your own with.
//
//go:embed scanners/*.yaml
var shipped embed.FS

// customName is the shipped file that is no scanner.
const customName = "custom"

// Builtin returns the scanners the SDK knows, by name. The slice is the caller's.
//
// None of them may be silenced unseen by the repository it scans: configuration is passed explicitly, and a mark by
// which an author has a finding ignored either comes in as a suppression, where the scanner can say so, or is itself
// ignored. What no option turns off is in SilencedBy or in Remarks. Secrets are redacted before they reach a report.
func Builtin() []Definition {
	defs := builtin()
	out := make([]Definition, len(defs))
	for i := range defs {
		out[i] = defs[i].clone()
	}
	return out
}

var builtin = sync.OnceValue(func() []Definition {
	entries, err := shipped.ReadDir("scanners")
	if err != nil {
		panic(err) // it is part of the program
	}
	var defs []Definition
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), definitionEnding)
		if name == customName {
			continue
		}
		b, _ := BuiltinYAML(name)
		d, err := ParseDefinition(b)
		if err != nil {
			panic(e.Name() + ": " + err.Error()) // a test shows that all are valid
		}
		defs = append(defs, d)
	}
	return defs
})

// BuiltinYAML returns the definition of a shipped scanner as it is written, with its comments, to be copied and
// changed. The name "custom" is that of one to begin with.
func BuiltinYAML(name string) (text []byte, ok bool) {
	b, err := shipped.ReadFile(path.Join("scanners", name+definitionEnding))
	return b, err == nil
}
