package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// ComputeFingerprint returns the finding's fingerprint: the hexadecimal SHA-256 of its identifying fields,
// joined by ':', each trimmed, in lower case and with '\' replaced by '/'. As on the platform, the fields depend on the
// type of the finding:
//
//	secret            secret:file:rule:line:<first 16 hex digits of sha256(secret)>
//	package with CVE  sca:package:version:vulnerability
//	misconfiguration  misconfig:type:name:rule:file
//	code with a line  sast:file:rule:start:end
//	anything else     generic:rule:file:start:end:message
//
// The fingerprint depends on nothing else, so it is the same in another run and on another machine.
func (f *Finding) ComputeFingerprint() string {
	var loc Location
	if f.Location != nil {
		loc = *f.Location
	}
	start, end := strconv.Itoa(loc.StartLine), strconv.Itoa(loc.EndLine)
	switch v := f.Vulnerability; {
	case f.Type == TypeSecret:
		var secret string
		if f.Secret != nil {
			secret = f.Secret.MaskedValue
		}
		sum := sha256.Sum256([]byte(secret))
		return fingerprint("secret", loc.Path, f.RuleID, start, hex.EncodeToString(sum[:8]))
	case v != nil && v.Package != "" && v.CVEID != "":
		return fingerprint("sca", v.Package, v.AffectedVersion, v.CVEID)
	case f.Type == TypeMisconfiguration && f.Misconfiguration != nil:
		return fingerprint("misconfig", f.Misconfiguration.ResourceType, f.Misconfiguration.ResourceName, f.RuleID, loc.Path)
	case loc.Path != "" && loc.StartLine > 0 && f.RuleID != "":
		return fingerprint("sast", loc.Path, f.RuleID, start, end)
	}
	return fingerprint("generic", f.RuleID, loc.Path, start, end, cmp.Or(f.Message, f.Title))
}

// RepeatFingerprint returns the fingerprint of the n-th repeat (1, 2, …) of a finding within one report, so that results
// with equal fields stay distinct, and are the same in the next run.
func RepeatFingerprint(fp string, n int) string { return fingerprint("repeat", fp, strconv.Itoa(n)) }

func fingerprint(parts ...string) string {
	var room [256]byte
	b := room[:0]
	for i, p := range parts {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, strings.ReplaceAll(strings.ToLower(strings.TrimSpace(p)), `\`, "/")...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
