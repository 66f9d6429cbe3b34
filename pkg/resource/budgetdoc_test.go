package resource

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The numbers in docs/limits.md are those that ExampleBudget prints.
func TestBudgetDocsHaveTheNumbersOfTheExample(t *testing.T) {
	example, err := os.ReadFile("example_budget_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, output, _ := strings.Cut(string(example), "// Output:\n")
	output = strings.TrimSuffix(output, "}\n")
	output = regexp.MustCompile(`(?m)^\t// ?`).ReplaceAllString(output, "")
	page, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(output) < 100 || !strings.Contains(string(page), "```text\n"+output+"```\n") {
		t.Errorf("docs/limits.md does not show\n%s", output)
	}
}
