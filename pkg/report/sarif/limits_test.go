package sarif

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

func file(results ...string) string { return head + strings.Join(results, ",") + tail }

func TestLimitsRefuseTheFile(t *testing.T) {
	rules := strings.Repeat(`{"id":"R"},`, 10) + `{"id":"R"}`
	for _, tc := range []struct {
		setting string
		lim     Limits
		in      string
	}{
		{"max_bytes", Limits{MaxBytes: 50}, one},
		{"max_runs", Limits{MaxRuns: 2}, `{"version":"2.1.0","runs":[{},{},{}]}`},
		{"max_rules", Limits{MaxRules: 10}, `{"version":"2.1.0","runs":[{"tool":{"driver":{"rules":[` + rules + `]}}}]}`},
		{"max_results", Limits{MaxResults: 3}, file("{}", "{}", "{}", "{}")},
		{"max_header_bytes", Limits{MaxHeaderBytes: 1 << 10}, `{"version":"2.1.0","runs":[{"tool":{"driver":{"rules":[` +
			strings.Repeat(`{"id":"`+strings.Repeat("x", 1000)+`"},`, 5) + `{}]}}}]}`},
		{"max_result_bytes", Limits{MaxResultBytes: 1 << 10}, `{"` + strings.Repeat("k", 10<<10) + `":1}`},
	} {
		_, err := Open(strings.NewReader(tc.in), Options{Limits: tc.lim})
		var lim *LimitError
		if !errors.As(err, &lim) || lim.Setting != tc.setting || lim.Value <= lim.Bound {
			t.Errorf("Open over %s = %v, want a LimitError", tc.setting, err)
		}
		if _, err := Open(strings.NewReader(tc.in), Options{}); errors.As(err, &lim) {
			t.Errorf("Open with default limits = %v; the file is only over %s", err, tc.setting)
		}
	}
}

func TestBadResultsAreQuarantinedAlone(t *testing.T) {
	good := `{"ruleId":"good","message":{"text":"m"}}`
	for name, bad := range map[string]string{
		"too large":      `{"ruleId":"` + strings.Repeat("x", 5<<10) + `"}`,
		"huge":           `{"ruleId":"` + strings.Repeat("x", 500<<10) + `"}`,
		"deep":           `{"a":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`,
		"very deep":      `{"a":` + strings.Repeat(`[{"a":`, 20_000) + "1" + strings.Repeat("}]", 20_000) + `}`,
		"control":        "{\"ruleId\":\"a\x01\"}",
		"nan":            `{"rank":NaN}`,
		"bad escape":     `{"ruleId":"\q"}`,
		"no comma":       `{"ruleId":"a" "level":"b"}`,
		"number":         `12`,
		"null":           `null`,
		"array":          `[]`,
		"bare word":      `oops`,
		"wrong brackets": `{"a":[}}`,
		"nothing":        ``,
	} {
		for _, in := range []string{file(good, bad, good), file(bad, good, good), file(good, good, bad, bad)} {
			if bad == "" && strings.HasPrefix(in, head+",") {
				continue // a leading comma also removes the first result
			}
			sum, got, err := check(t, []byte(in), Options{Limits: Limits{MaxResultBytes: 4 << 10, MaxDepth: 50}})
			if err != nil || sum.Partial || sum.Findings != 2 || got[1].RuleID != "good" {
				t.Errorf("%s: %d of %d read, partial %t, %v", name, sum.Findings, sum.Results, sum.Partial, err)
				continue
			}
			for _, r := range sum.Rejected {
				at := in[r.Offset:]
				if bad != "" && !strings.HasPrefix(strings.TrimLeft(at, ","), bad) || r.Reason == "" {
					t.Errorf("%s: offset %d is at %.20q", name, r.Offset, at)
				}
			}
		}
	}
}

func TestRejectedListIsBounded(t *testing.T) {
	sum, _, err := check(t, []byte(file(strings.Split(strings.Repeat("{\x01}.", 5000)+"{}", ".")...)), Options{})
	if err != nil || sum.Quarantined != 5000 || sum.Findings != 1 || len(sum.Rejected) != maxRejected || sum.Rejected[99].Index != 99 {
		t.Errorf("%d quarantined, %d findings, %d listed, %v", sum.Quarantined, sum.Findings, len(sum.Rejected), err)
	}
}

func TestLongMessageIsTruncatedAndPreserved(t *testing.T) {
	long := strings.Repeat("é", 100)
	_, got, err := check(t, []byte(file(`{"message":{"text":"`+long+`"}}`)), Options{Limits: Limits{MaxMessageBytes: 64}})
	if err != nil {
		t.Fatal(err)
	}
	m := got[0].Message
	if len(m) > 64 || len(m) < 60 || !strings.HasSuffix(m, "é…") {
		t.Errorf("message %q of %d bytes", m, len(m))
	}
	kept := got[0].Properties["sarif"].(map[string]any)["message"].(map[string]any)["text"]
	if fmt.Sprint(kept) != long {
		t.Errorf("kept %q", kept)
	}
}

func TestEmitErrors(t *testing.T) {
	f, err := Open(strings.NewReader(file("{}", "{}", "{}", "{}")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("store is full")
	n := 0
	sum, err := f.Findings(func(*report.Finding) error {
		switch n++; n {
		case 2:
			return fmt.Errorf("add: %w", &report.TooLargeError{Item: "finding 1", Size: 9, Bound: 8})
		case 3:
			return full
		}
		return nil
	})
	if err != full || n != 3 || sum.Findings != 1 || sum.Quarantined != 1 || sum.Rejected[0].Index != 1 {
		t.Errorf("%v after %d calls, %+v", err, n, sum)
	}
	if sum, err := f.Findings(drop); err != nil || sum.Findings != 4 {
		t.Errorf("second reading: %+v %v", sum, err)
	}
}

func TestLimitsValidate(t *testing.T) {
	err := Limits{MaxBytes: -2, MaxDepth: 20_000, MaxResultBytes: -1}.Validate()
	for _, want := range []string{"max_bytes: -2", "max_depth: 20000 is outside 10 to 10000", "max_result_bytes: -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not contain %q", err, want)
		}
	}
	off := Limits{MaxBytes: -1, MaxRuns: -1, MaxRules: -1, MaxResults: -1}
	if err := off.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := Open(strings.NewReader(one), Options{Limits: off}); err != nil {
		t.Error(err)
	}
	if _, err := Open(strings.NewReader(one), Options{Limits: Limits{MaxRuns: -3}}); err == nil {
		t.Error("Open with invalid limits returned no error")
	}
}
