package sarif

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// levelOf returns the level of a result in lower case: its own, or the one that the invocation or the rule configures, or ""
// if there is none. A result of a kind other than fail has the level none.
func (r *run) levelOf(level, kind string, rule *rule) string {
	if kind != "" && kind != "fail" {
		return "none"
	}
	return strings.ToLower(cmp.Or(level, r.levels[rule], rule.level))
}

// severityOf returns the severity of a result: by its security-severity, or else by its level. A missing level means
// warning in SARIF; but scanners for secrets give none, and a leaked secret can be used at once, so a secret is High. A
// check that passed or does not apply, and information, is Info.
func severityOf(score, level, kind, findingType string) report.Severity {
	switch kind {
	case "pass", "notapplicable", "informational":
		return report.Info
	}
	if s := severityOfScore(score); s != "" {
		return s
	}
	if level == "" && findingType == report.TypeSecret {
		return report.High
	}
	return cmp.Or(severityOfLevel[level], report.Medium)
}

var severityOfLevel = map[string]report.Severity{"error": report.High, "note": report.Low, "none": report.Info}

// severityOfScore returns the severity for a number of up to 10 or a word. It returns "" for any other text, and for 0.
func severityOfScore(s string) report.Severity {
	if n, ok := score(s); ok {
		switch {
		case n >= 9:
			return report.Critical
		case n >= 7:
			return report.High
		case n >= 4:
			return report.Medium
		}
		return report.Low
	}
	return severityWords[strings.ToLower(strings.TrimSpace(s))]
}

var severityWords = map[string]report.Severity{
	"critical": report.Critical, "high": report.High, "error": report.High, "medium": report.Medium, "moderate": report.Medium,
	"warning": report.Medium, "low": report.Low, "note": report.Low, "info": report.Info, "informational": report.Info,
}

// score parses a security-severity, which must be above 0 and at most 10.
func score(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return n, err == nil && n > 0 && n <= 10 && !math.IsNaN(n)
}
