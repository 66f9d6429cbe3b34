package scan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// What each scanner does, as it was measured, and what has to come of it. The fake has the exit codes of the
// definition and does the rest.
func TestBuiltinVerdicts(t *testing.T) {
	const clean, findings, partial, failed = "clean", "findings", "partial", "failed"
	one, none := scantest.Results(1), scantest.Results(0)
	noList := scantest.Sarif(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}}}]}`)
	half := scantest.Sarif(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"a"}}`)
	type row struct {
		code   int
		sarif  scantest.Behaviour
		expect string
	}
	gone := scantest.NoReport()
	rows := map[string][]row{
		"gitleaks":      {{0, none, clean}, {42, one, findings}, {42, none, partial}, {1, gone, failed}, {1, one, failed}, {126, gone, failed}},
		"gosec":         {{0, none, clean}, {1, one, findings}, {1, none, partial}, {1, gone, failed}},
		"golangci-lint": {{0, none, clean}, {42, one, findings}, {7, none, failed}, {3, gone, failed}, {4, one, failed}},
		"staticcheck":   {{0, none, clean}, {0, noList, clean}, {0, one, findings}, {0, half, partial}, {1, gone, failed}},
		"semgrep":       {{0, none, clean}, {0, one, findings}, {1, one, findings}, {2, none, failed}, {7, gone, failed}},
		"trivy":         {{0, none, clean}, {42, one, findings}, {1, gone, failed}},
		"grype":         {{0, none, clean}, {0, one, findings}, {1, scantest.Sarif(""), failed}, {0, scantest.Sarif(""), failed}},
		"osv-scanner":   {{0, none, clean}, {1, one, findings}, {127, none, failed}, {128, none, failed}, {129, gone, failed}},
		"kics":          {{0, none, clean}, {20, one, findings}, {60, one, findings}, {60, none, partial}, {126, gone, failed}, {130, gone, failed}},
		"tfsec":         {{0, none, clean}, {1, one, findings}, {1, gone, failed}},
		"checkov":       {{0, none, clean}, {1, one, findings}, {2, gone, failed}, {1, half, partial}},
		"eslint":        {{0, none, clean}, {0, one, findings}, {1, one, findings}, {2, gone, failed}},
		"bandit":        {{0, none, clean}, {1, one, findings}, {2, gone, failed}},
		"flawfinder":    {{0, none, clean}, {0, one, findings}, {0, gone, failed}, {0, noList, partial}, {1, one, failed}},
	}
	for _, d := range scan.Builtin() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			if len(rows[d.Name]) < 3 {
				t.Error("no row says what it does")
			}
			for _, r := range rows[d.Name] {
				fake := scantest.Definition(t, scantest.Exit(r.code), r.sarif)
				fake.ExitCodes, fake.OmitsEmpty = d.ExitCodes, d.OmitsEmpty
				b := newBench(t, scan.Config{}, fake)
				res, err := b.scan(t.Context())
				got := clean
				switch {
				case err != nil:
					got = failed
				case res.Partial:
					got = partial
				case res.Summary.Findings > 0:
					got = findings
				}
				known := slices.Contains(d.ExitCodes.Error, r.code) && !slices.Contains(slices.Concat(d.ExitCodes.Clean, d.ExitCodes.Findings), r.code)
				if known && (err == nil || !strings.Contains(err.Error(), "is declared as a failure")) {
					t.Errorf("exit code %d: %v", r.code, err)
				}
				if got != r.expect {
					t.Errorf("exit code %d: got %s, want %s (%v)", r.code, got, r.expect, err)
				}
			}
		})
	}
}
