package sarif

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// typed sets the type and the fields that depend on it.
func (f *File) typed(fd *report.Finding, r *run, res *resultJSON, rule *rule, severity string) {
	fd.Type = f.opt.Type
	if fd.Type == "" {
		fd.Type = typeOf(r.Tool.Name, fd.Tags)
	}
	switch fd.Type {
	case report.TypeSecret:
		secret(fd)
	case report.TypeMisconfiguration:
		fd.Misconfiguration = &report.Misconfiguration{PolicyID: fd.RuleID, PolicyName: fd.RuleName}
	}
	v := report.Vulnerability{CWEIDs: appendCWEs(slices.Clone(rule.cwes), res.Taxa, fd.Tags)}
	if v.CVEID = cveOf(fd.RuleID); v.CVEID != "" {
		v.CVSSScore, _ = score(severity)
		v.Package, v.AffectedVersion, v.FixedVersion = packageOf(fd.Message)
	}
	if v.CVEID != "" || len(v.CWEIDs) > 0 {
		fd.Vulnerability = &v
	}
}

// packageOf parses the message that Trivy writes, which has a line each for package, installed and fixed version.
func packageOf(message string) (name, installed, fixed string) {
	for line := range strings.Lines(message) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "Package":
			name = value
		case "Installed Version":
			installed = value
		case "Fixed Version":
			fixed = value
		}
	}
	return name, installed, fixed
}

// masked matches a secret of which the scanner shows at most a few characters.
var masked = regexp.MustCompile(`^["'` + "`" + `]?[\w+/=.-]{0,8}(\*{3,}|\[?REDACTED\]?)[\w+/=.-]{0,8}["'` + "`" + `]?$`)

// redacted reports whether the scanner removed the secret from s.
func redacted(s string) bool { return strings.Contains(s, "REDACTED") || strings.Contains(s, "***") }

// inClear are the properties in which scanners write the secret itself.
var inClear = []string{"match", "offender", "raw", "rawV2", "secret"}

// secret sets the fields of a leaked secret. Text that the scanner did not redact is removed, since a report must not
// spread the secret. The property "withheld" lists the removed parts.
func secret(fd *report.Finding) {
	fd.Secret = &report.Secret{SecretType: fd.RuleID}
	if loc := fd.Location; loc != nil {
		if s := strings.TrimSpace(loc.Snippet); masked.MatchString(s) {
			fd.Secret.MaskedValue = strings.Trim(s, "\"'`")
		}
	}
	withhold(fd)
	commit(fd)
}

// withhold removes all text that the scanner did not redact.
func withhold(fd *report.Finding) {
	for _, loc := range append([]*report.Location{fd.Location}, fd.RelatedLocations...) {
		if loc == nil {
			continue
		}
		if !redacted(loc.Snippet) && loc.Snippet != "" {
			loc.Snippet = ""
			withheld(fd, "snippet")
		}
		if !redacted(loc.ContextSnippet) && loc.ContextSnippet != "" {
			loc.ContextSnippet = ""
			withheld(fd, "context_snippet")
		}
	}
	for _, name := range inClear {
		if s, ok := fd.Properties[name].(string); ok && !redacted(s) {
			delete(fd.Properties, name)
			withheld(fd, name)
		}
	}
	rest, _ := fd.Properties["sarif"].(map[string]any)
	for _, name := range []string{"result", "properties"} { // preserved as they were, secrets included
		if _, ok := rest[name]; ok {
			delete(rest, name)
			withheld(fd, "sarif."+name)
		}
	}
	if rest != nil && len(rest) == 0 {
		delete(fd.Properties, "sarif")
	}
}

// withheld records the name of a removed part.
func withheld(fd *report.Finding, name string) {
	list, _ := fd.Properties["withheld"].([]any)
	assign(&fd.Properties, "withheld", any(append(list, name)))
}

// commit sets author, date and commit of a secret from the places where Gitleaks writes them.
func commit(fd *report.Finding) {
	get := func(names ...string) string {
		for _, name := range names {
			if s := fd.PartialFingerprints[name]; s != "" {
				return s
			}
			if s, _ := fd.Properties[name].(string); s != "" {
				return s
			}
		}
		return ""
	}
	fd.Author, fd.AuthorEmail, fd.CommitDate = get("author"), get("email"), get("date")
	if fd.Location != nil {
		fd.Location.CommitSHA = get("commitSha", "commit")
	}
}
