package agentcmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/scan"
)

// TestScannersDoc holds docs/scanners.md to the definitions that are shipped.
func TestScannersDoc(t *testing.T) { holdGenerated(t, "scanners.md", scannersReference()) }

// TestDocsDefinitions reads every definition of a scanner that the pages show.
func TestDocsDefinitions(t *testing.T) {
	shown := 0
	for name, text := range documents(t) {
		for _, block := range docFence.FindAllStringSubmatch(text, -1) {
			if block[1] != "yaml" || !strings.HasPrefix(block[2], "name: ") {
				continue
			}
			shown++
			if _, err := scan.ParseDefinition([]byte(block[2])); err != nil {
				t.Errorf("%s: %v\n%s", name, err, block[2])
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows one")
	}
}

// scannersReference is a table of all scanners, and a list of facts for each.
func scannersReference() string {
	var b strings.Builder
	b.WriteString("\n| scanner | clean | findings | known failures | its target | SARIF | memory | slots |\n|---|---|---|---|---|---|---|---|\n")
	for _, d := range scan.Builtin() {
		clean := d.ExitCodes.Clean
		target, sarif := "any", "a file"
		if d.InTarget {
			target = "is its working directory"
		}
		if len(d.Needs) > 0 {
			target = "with " + strings.Join(d.Needs, " or ")
		}
		if d.Stdout {
			sarif = "standard output"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s | %s | %s | %d |\n", d.Name, d.Name,
			codes(clean), codes(d.ExitCodes.Findings), codes(d.ExitCodes.Error), target, sarif, bytesText(d.MemoryBytes), max(d.Slots, 1))
	}
	for _, d := range scan.Builtin() {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", d.Name, oneLine(d.Remarks))
		fact := func(name string, values ...string) {
			if values = slices.DeleteFunc(values, func(v string) bool { return v == "" }); len(values) > 0 {
				fmt.Fprintf(&b, "- %s: `%s`\n", name, strings.Join(values, " "))
			}
		}
		fact("command", append([]string{d.Command}, d.Args...)...)
		fact("isolated from its target by", slices.Concat(d.Isolation.Args, d.Isolation.Env)...)
		fact("offline", slices.Concat(d.Offline.Args, d.Offline.Env)...)
		fact("environment", d.Env...)
		fact("warns of", d.SilencedBy...)
		fact("refuses a target with", d.RefusedBy...)
		fact("age of its database", append(slices.Clone(d.Database.Args), d.Database.File)...)
		fact("a missing target is taken for", d.MissingTarget)
		fact("type of findings", d.Type)
		fact("tried by doctor on", d.Sample)
	}
	return b.String()
}

func codes(list []int) string {
	var text []string
	for _, c := range list {
		text = append(text, fmt.Sprint(c))
	}
	return cmp.Or(strings.Join(text, ", "), "–")
}
