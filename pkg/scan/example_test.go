package scan_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

const lintSarif = `{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": [
	{"ruleId": "no-eval", "level": "error", "message": {"text": "eval is evil"},
	 "locations": [{"physicalLocation": {"artifactLocation": {"uri": "app.js"}, "region": {"startLine": 7}}}]}]}]}`

// How do I run a scanner that the SDK does not know? Any command that writes SARIF will do: here cat, with SARIF that
// lies in the target.
func Example_anyCommandThatWritesSarif() {
	target, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(target)
	if err := os.WriteFile(filepath.Join(target, "lint.sarif"), []byte(lintSarif), 0o600); err != nil {
		panic(err)
	}

	table, err := scan.NewTable(append(scan.Builtin(), scan.Custom("lint", "cat", "lint.sarif"))...)
	if err != nil {
		panic(err)
	}
	runner, err := scan.NewRunner(scan.Config{Table: table})
	if err != nil {
		panic(err)
	}
	var queue scantest.Recorder // in a program: pipeline.NewWriter
	res, err := runner.Scan(context.Background(), scan.Request{Scanner: "lint", Target: target}, queue.Open)
	if err != nil {
		panic(err)
	}
	fmt.Println(res.Tool.Name, "found", res.Summary.Findings, "and ended by", res.Process.Cause)
	// Output: lint found 1 and ended by exit
}

// How do I submit SARIF that my CI system has already?
func ExampleImport() {
	var queue scantest.Recorder // in a program: pipeline.NewWriter
	opt := scan.ImportOptions{Asset: &report.Asset{ID: "app", Type: "repository", Value: "https://example.com/app"}}
	res, err := scan.Import(context.Background(), strings.NewReader(lintSarif), opt, queue.Open)
	if err != nil {
		panic(err)
	}
	f := queue.Report.Findings[0]
	fmt.Println(res.Summary.Findings, f.Severity, f.RuleID, f.Location.Path, f.AssetValue)
	// Output: 1 high no-eval app.js https://example.com/app
}

// How do I give a built-in scanner other arguments?
func ExampleNewTable_override() {
	defs := scan.Builtin()
	for i := range defs {
		if defs[i].Name == "semgrep" {
			defs[i].Args = []string{"scan", "--config", "/etc/semgrep/rules", "--sarif", "--output", "{output}", "{target}"}
		}
	}
	table, err := scan.NewTable(defs...)
	if err != nil {
		panic(err)
	}
	d, _ := table.Lookup("semgrep")
	fmt.Println(d.Args[2])
	// Output: /etc/semgrep/rules
}
