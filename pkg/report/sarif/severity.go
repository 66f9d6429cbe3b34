package sarif

import (
	"math"
	"strconv"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// levelOf returns the level of a result: its own, else what the invocation or the rule say, "" when nobody says one;
// and "none" for a kind other than fail.
func (r *run) levelOf(level, kind string, rule *rule) string {
	level = strings.ToLower(level)
	switch {
	case kind != "" && kind != "fail":
		return "none"
	case level != "":
		return level
	case rule == nil:
		return ""
	case r.levels[rule] != "":
		return strings.ToLower(r.levels[rule])
	case rule.level != "":
		return strings.ToLower(rule.level)
	}
	return ""
}

// severityOf returns the severity of a result: by its security-severity, else by its level. SARIF reads a level that
// nobody gave as "warning"; a secret is High then, for scanners of secrets give none and a leaked one can be used at
// once. What passed, does not apply or is there for information is Info.
func severityOf(score, level, kind, findingType string) report.Severity {
	switch kind {
	case "pass", "notapplicable", "informational":
		return report.Info
	}
	if s := severityOfScore(score); s != "" {
		return s
	}
	switch level {
	case "error":
		return report.High
	case "note":
		return report.Low
	case "none":
		return report.Info
	case "":
		if findingType == report.TypeSecret {
			return report.High
		}
	}
	return report.Medium
}

// severityOfScore takes a number of 0 to 10 or a word; anything else, and 0, says nothing.
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
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "critical":
		return report.Critical
	case "high", "error":
		return report.High
	case "medium", "moderate", "warning":
		return report.Medium
	case "low", "note":
		return report.Low
	case "info", "informational":
		return report.Info
	}
	return ""
}

// score returns a security-severity as a number over 0 and up to 10.
func score(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return n, err == nil && n > 0 && n <= 10 && !math.IsNaN(n)
}
