package scan_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// run is a SARIF file of one run with these members beside its tool.
func run(members string) string {
	return `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"fake","semanticVersion":"9.9.9"}},` + members + `}]}`
}

const (
	oneResult = `"results":[{"message":{"text":"a"}}]`
	noResults = `"results":[]`
)

// Verdicts: what a scanner leaves behind, and what that is worth. A verdict that is a cause submits nothing; "partial"
// submits what there is, in parts of which none lets a server resolve a finding that it does not mention; "full" does.
func TestVerdict(t *testing.T) {
	const full, partial = "full", "partial"
	sarif := func(text string, more ...scantest.Behaviour) []scantest.Behaviour {
		return append([]scantest.Behaviour{scantest.Sarif(text)}, more...)
	}
	findings := scantest.Exit(scantest.FindingsCode)
	for _, tt := range []struct {
		rule     string
		do       []scantest.Behaviour
		empty    bool // the target holds nothing but an empty directory
		want     string
		findings int
		says     string // in the error, or in a warning
	}{
		{rule: "declared code, whole report", do: sarif(run(oneResult), findings), want: full, findings: 1},
		{rule: "declared code, whole report of nothing", do: sarif(run(noResults)), want: full},
		{rule: "a warning of the tool is no failure", want: full,
			do: sarif(run(`"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"warning","message":{"text":"w"}}]}],` + noResults))},
		{rule: "text behind the report is no part of it", do: sarif(run(noResults) + "\n0 problems\n"), want: full},

		{rule: "undeclared code, whole report", do: sarif(run(oneResult), scantest.Exit(3)), want: string(scan.CauseExit), says: "exit code 3 is not declared"},
		{rule: "declared code, no report", do: []scantest.Behaviour{scantest.NoReport()}, want: string(scan.CauseSarif), says: "no SARIF was written"},
		{rule: "code of findings, no report", do: []scantest.Behaviour{scantest.NoReport(), findings}, want: string(scan.CauseSarif), says: "exit code 42, but no SARIF"},
		{rule: "declared code, empty report", do: sarif(""), want: string(scan.CauseSarif), says: "empty"},
		{rule: "declared code, old report", do: []scantest.Behaviour{scantest.OldReport(time.Hour)}, want: string(scan.CauseSarif), says: "before the scan"},
		{rule: "declared code, report of version 1", do: sarif(`{"version":"1.0.0","runs":[]}`), want: string(scan.CauseSarif), says: "1.0.0"},
		{rule: "killed by somebody, whole report", do: []scantest.Behaviour{scantest.Results(1), scantest.Killed()}, want: string(scan.CauseExit), says: "signal"},

		{rule: "report that ends early", do: sarif(run(oneResult)[:len(run(oneResult))-4], findings), want: partial, findings: 1, says: "ends"},
		{rule: "report that stops being JSON", do: sarif(strings.Replace(run(oneResult), "}]}]}", "}, nonsense", 1), findings), want: partial, findings: 1},
		{rule: "a result that is none", do: sarif(run(`"results":[{"message":{"text":"a"}},7]`), findings), want: partial, findings: 1, says: "1 of 2 results were set aside"},
		{rule: "executionSuccessful: false", do: sarif(run(`"invocations":[{"executionSuccessful":false}],` + noResults)), want: partial, says: "not successful"},
		{rule: "one of several invocations failed", want: partial, says: "not successful",
			do: sarif(run(`"invocations":[{"executionSuccessful":true},{"executionSuccessful":false},{"executionSuccessful":true}],` + noResults))},
		{rule: "an error while it ran", want: partial, says: "cannot parse x.go",
			do: sarif(run(`"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"error","message":{"text":"cannot parse x.go"}}]}],` + noResults))},
		{rule: "an error of its configuration", want: partial, says: "no such rule",
			do: sarif(run(`"invocations":[{"executionSuccessful":true,"toolConfigurationNotifications":[{"level":"error","message":{"text":"no such rule"}}]}],` + noResults))},
		{rule: "results are absent", do: sarif(run(`"columnKind":"utf16CodeUnits"`)), want: partial, says: "no list of results"},
		{rule: "results are null", do: sarif(run(`"results":null`)), want: partial, says: "no list of results"},
		{rule: "no run", do: sarif(`{"version":"2.1.0","runs":[]}`), want: partial, says: "no runs"},
		{rule: "code of findings, no finding", do: sarif(run(noResults), findings), want: partial, says: "the SARIF holds none"},
		{rule: "nothing to scan, nothing found", do: sarif(run(noResults)), empty: true, want: partial, says: "no file that could have been scanned"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			b := newBench(t, scan.Config{}, scantest.Definition(t, tt.do...))
			if tt.empty {
				b.target = t.TempDir()
				if err := os.Mkdir(filepath.Join(b.target, "dir"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			res, err := b.scan(t.Context())
			var failed *scan.Error
			if errors.As(err, &failed) {
				if string(failed.Cause) != tt.want || b.rec.Opened != 0 || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %s with %d reports: %v; want %s that says %q", failed.Cause, b.rec.Opened, err, tt.want, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := b.rec.Report.Metadata.CoverageType; got != tt.want || res.Partial != (tt.want == partial) || res.Summary.Findings != tt.findings {
				t.Errorf("got %s, %+v; want %s", got, res, tt.want)
			}
			if warnings := strings.Join(res.Warnings, "\n"); !strings.Contains(warnings, tt.says) {
				t.Errorf("warnings %q do not say %q", warnings, tt.says)
			}
			if tt.want == partial && (b.rec.Report.Metadata.Properties["warnings"] == nil || b.sink.events[1].Severity != event.Warn) {
				t.Errorf("report %+v and event %+v do not warn", b.rec.Report.Metadata, b.sink.events[1])
			}
			checkParts(t, &b.rec.Report, tt.want == full)
		})
	}
}

// checkParts fails the test unless the last part alone claims full coverage, and only where the scan was whole.
func checkParts(t *testing.T, r *report.Report, full bool) {
	t.Helper()
	parts, _, err := part.Split(r, part.SplitConfig{MinFindings: 1, MaxFindings: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		read, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		if got := read.Metadata.CoverageType == report.CoverageFull; got != (full && i == len(parts)-1) {
			t.Errorf("part %d of %d claims coverage %q", i, len(parts), read.Metadata.CoverageType)
		}
	}
}

// A tool's own word for its version comes after that of its executable.
func TestVerdictTrustsTheExecutable(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Sarif(run(noResults))))
	if _, err := b.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tool := b.rec.Report.Tool; tool.Properties["sarif_version"] != "9.9.9" || tool.Version == "9.9.9" || tool.Version == "" {
		t.Errorf("got %+v", tool)
	}
}

// What may go better another time is tried again.
func TestTemporary(t *testing.T) {
	for cause, want := range map[scan.Cause]bool{
		scan.CauseExit: false, scan.CauseTimeout: false, scan.CauseCancel: true, scan.CauseShutdown: true, scan.CauseOOM: true,
		scan.CauseMemory: false, scan.CauseCPU: false, scan.CauseProcesses: false, scan.CauseOutput: false, scan.CauseStuck: false,
		scan.CauseScanner: false, scan.CauseTarget: false, scan.CauseStart: true, scan.CauseSarif: false, scan.CauseReport: true,
	} {
		if got := (&scan.Error{Cause: cause}).Temporary(); got != want {
			t.Errorf("%s: %v", cause, got)
		}
	}
}
