package sarif

import (
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// Prefixes of the names, in lower case, of tools whose findings are not vulnerabilities.
var (
	secretTools = []string{
		"betterleaks", "detect-secrets", "ggshield", "gitguardian", "gitleaks", "noseyparker", "nosey parker",
		"secretlint", "trufflehog", "whispers",
	}
	configTools = []string{
		"ansible-lint", "cfn-lint", "checkov", "conftest", "dockle", "hadolint", "kics", "kube-linter", "kube-score",
		"kubescape", "kubesec", "polaris", "regula", "snyk iac", "snyk infrastructure as code", "terrascan",
		"tflint", "tfsec",
	}
)

// typeOf returns the type of a tool's finding. Trivy finds more than one type and marks them by tags.
func typeOf(tool string, tags []string) string {
	tool = strings.ToLower(tool)
	begins := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(tool, name) })
	}
	switch {
	case begins(secretTools):
		return report.TypeSecret
	case begins(configTools):
		return report.TypeMisconfiguration
	case strings.HasPrefix(tool, "trivy") && slices.Contains(tags, "secret"):
		return report.TypeSecret
	case strings.HasPrefix(tool, "trivy") && slices.Contains(tags, "misconfiguration"):
		return report.TypeMisconfiguration
	}
	return report.TypeVulnerability
}
