package sarif_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/report/sarif"
)

// Reading a scanner's file.
func Example() {
	r, err := os.Open("testdata/messages.sarif")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Close() }()

	f, err := sarif.Open(r, sarif.Options{Root: "/src/project"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, run := range f.Runs() {
		fmt.Printf("%s %s: %d results\n", run.Tool.Name, run.Tool.Version, run.Results)
	}
	sum, err := f.Findings(func(f *report.Finding) error { // for example part.Writer.AddFinding
		fmt.Printf("%-6s %s: %s\n", f.Severity, f.RuleID, f.Message)
		return nil
	})
	fmt.Printf("%d findings, partial %t, error %v\n", sum.Findings, sum.Partial, err)
	// Output:
	// analyzer 1.2.3: 6 results
	// high   M1: ptr is used in line 12.
	// high   M1/sub: **bold**
	// high   M1: literal A {x}
	// high   P1: from the pack
	// medium none: a plain string
	// high   M1: A variable is used before it is set.
	// 6 findings, partial false, error <nil>
}

// A truncated file gives the findings in it, and a Summary that is marked as partial.
func ExampleFile_Findings() {
	whole, err := os.ReadFile("testdata/suppressed.sarif")
	if err != nil {
		fmt.Println(err)
		return
	}
	cut, err := os.CreateTemp("", "cut-*.sarif")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cut.Close(); _ = os.Remove(cut.Name()) }()
	if _, err := cut.Write(whole[:len(whole)/2]); err != nil {
		fmt.Println(err)
		return
	}

	f, err := sarif.Open(cut, sarif.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, err := f.Findings(func(*report.Finding) error { return nil })
	fmt.Println(sum.Findings, "findings, partial", sum.Partial, "error", err)
	fmt.Println(sum.Rejected[0].Reason)
	// Output:
	// 3 findings, partial true error <nil>
	// unexpected EOF
}

// Writing findings for another tool that reads SARIF.
func ExampleWriter() {
	w := sarif.NewWriter(os.Stdout)
	if err := w.Begin(&report.Report{Tool: &report.Tool{Name: "my-scanner", Version: "1.0.0"}}); err != nil {
		fmt.Println(err)
	}
	err := w.Add(&report.Finding{
		Type: report.TypeVulnerability, Title: "A query is built from a request.", Severity: report.High, RuleID: "sql", Message: "id reaches Query.",
		Location: &report.Location{Path: "db/a query.go", StartLine: 12, EndLine: 12},
	})
	if err := errors.Join(err, w.Close()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[
	// {"results":[
	// {"ruleId":"sql","ruleIndex":0,"message":{"text":"id reaches Query."},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"db/a%20query.go"},"region":{"startLine":12,"endLine":12}}}],"suppressions":[]}
	// ],"tool":{"driver":{"name":"my-scanner","version":"1.0.0","rules":[{"id":"sql","shortDescription":{"text":"A query is built from a request."},"defaultConfiguration":{"level":"error"}}]}}}]}
}
