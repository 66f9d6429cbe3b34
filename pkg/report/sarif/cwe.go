package sarif

import (
	"regexp"
	"slices"
	"strings"
)

// maxCWEs bounds the weaknesses of one rule or result.
const maxCWEs = 20

var (
	cweWord = regexp.MustCompile(`(?i)\bcwe[-_: /]{0,2}0*([1-9][0-9]{0,4})\b`)
	number  = regexp.MustCompile(`^0*([1-9][0-9]{0,4})$`)
	cveWord = regexp.MustCompile(`(?i)^cve-[0-9]{4}-[0-9]{4,9}`)
)

// cweOf returns the weakness that a tag names ("external/cwe/cwe-079", "CWE-79: …") as "CWE-79", or "".
func cweOf(tag string) string {
	if m := cweWord.FindStringSubmatch(tag); m != nil {
		return "CWE-" + m[1]
	}
	return ""
}

// taxon refers to an entry of a taxonomy.
type taxon struct {
	ID            text `json:"id"`
	ToolComponent struct {
		Name text `json:"name"`
	} `json:"toolComponent"`
}

// cwe returns the weakness that the taxon refers to, or "".
func (t taxon) cwe() string {
	if m := number.FindStringSubmatch(string(t.ID)); m != nil && strings.EqualFold(string(t.ToolComponent.Name), "cwe") {
		return "CWE-" + m[1]
	}
	return cweOf(string(t.ID))
}

// appendCWEs appends the weaknesses that taxa and tags name.
func appendCWEs[T ~string](list []string, taxa []taxon, tags []T) []string {
	for _, t := range taxa {
		list = appendCWE(list, t.cwe())
	}
	for _, tag := range tags {
		list = appendCWE(list, cweOf(string(tag)))
	}
	return list
}

// appendCWE appends id unless it is empty or in the list already.
func appendCWE(list []string, id string) []string {
	if id == "" || len(list) == maxCWEs || slices.Contains(list, id) {
		return list
	}
	return append(list, id)
}

// cveOf returns the CVE that a rule's ID begins with, or "".
func cveOf(ruleID string) string { return strings.ToUpper(cveWord.FindString(ruleID)) }
