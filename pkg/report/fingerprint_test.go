package report

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestComputeFingerprint(t *testing.T) {
	at := func(path string, start, end int) *Location {
		return &Location{Path: path, StartLine: start, EndLine: end}
	}
	for name, c := range map[string]struct {
		finding  Finding
		preimage string
	}{
		"secret": {
			Finding{Type: TypeSecret, RuleID: "AWS-Key", Location: at("a.go", 3, 9), Secret: &Secret{MaskedValue: "AKIA***"}},
			"secret:a.go:aws-key:3:" + hexSum("AKIA***")[:16],
		},
		"secret without a place": {Finding{Type: TypeSecret, RuleID: "r"}, "secret::r:0:" + hexSum("")[:16]},
		"package": {
			Finding{Type: TypeVulnerability, Location: at("go.mod", 1, 1), RuleID: "r",
				Vulnerability: &Vulnerability{Package: "Lodash", AffectedVersion: "4.17.0", CVEID: "CVE-2021-1"}},
			"sca:lodash:4.17.0:cve-2021-1",
		},
		"misconfiguration": {
			Finding{Type: TypeMisconfiguration, RuleID: "CKV_1", Location: at("main.tf", 5, 6),
				Misconfiguration: &Misconfiguration{ResourceType: "aws_s3_bucket", ResourceName: "logs"}},
			"misconfig:aws_s3_bucket:logs:ckv_1:main.tf",
		},
		"code": {
			Finding{Type: TypeVulnerability, RuleID: " G101 ", Location: at(`Src\Main.go`, 10, 12), Message: "ignored"},
			"sast:src/main.go:g101:10:12",
		},
		"without a line": {
			Finding{Type: TypeVulnerability, RuleID: "R", Location: at("x", 0, 0), Message: "Hello", Title: "ignored"},
			"generic:r:x:0:0:hello",
		},
		"title for message": {Finding{Type: TypeCompliance, Title: "Old TLS"}, "generic:::0:0:old tls"},
	} {
		if got := c.finding.ComputeFingerprint(); got != hexSum(c.preimage) {
			t.Errorf("%s: fingerprint is not the hash of %q", name, c.preimage)
		}
	}
	if got := RepeatFingerprint("ab", 2); got != hexSum("repeat:ab:2") {
		t.Errorf("repeat: %s", got)
	}
}
