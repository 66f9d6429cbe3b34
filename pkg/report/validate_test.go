package report

import (
	"fmt"
	"strings"
	"testing"
)

func TestValidateNamesEveryProblem(t *testing.T) {
	ok := Report{Findings: []*Finding{{Type: TypeSecret, Title: "t0", Severity: High, Message: "message 0"}}, Assets: []*Asset{{Type: "host", Value: "h"}}, Dependencies: []*Dependency{{Name: "d"}}}
	if err := ok.Validate(); err != nil {
		t.Errorf("a good report: %v", err)
	}
	bad := Report{
		Version: "2.0", Metadata: Metadata{ID: "a b"}, Tool: &Tool{},
		Assets:       []*Asset{nil, {Type: "host"}, {Type: "host", Value: "h"}},
		Findings:     []*Finding{nil, {Type: TypeSecret}, {Type: TypeSecret, Title: "t", Severity: "HIGH"}},
		Dependencies: []*Dependency{nil, {}},
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`version "2.0"`, `metadata.id "a b"`, "tool.name", "assets[0]", "assets[1]", "findings[0]",
		"findings[1]", `findings[2].severity "HIGH"`, "dependencies[0]", "dependencies[1].name"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "assets[2]") {
		t.Errorf("a good asset is named: %v", err)
	}
	if (*Report)(nil).Validate() == nil {
		t.Error("a nil report is valid")
	}
}

func TestValidateIsBounded(t *testing.T) {
	bad := Report{Findings: make([]*Finding, 100000)}
	if n := strings.Count(fmt.Sprint(bad.Validate()), "\n") + 1; n != maxProblems {
		t.Errorf("%d problems listed, want %d", n, maxProblems)
	}
}

func TestSeverityRank(t *testing.T) {
	last := 5
	for _, s := range Severities() {
		if s.Rank() >= last {
			t.Errorf("%s ranks %d, after %d", s, s.Rank(), last)
		}
		last = s.Rank()
	}
	if Severity("").Rank() != -1 || Severity("HIGH").Rank() != -1 {
		t.Error("an unknown severity has a rank")
	}
}
