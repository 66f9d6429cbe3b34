package scan

import "github.com/rediverio/sdk/pkg/report"

// Builtin returns the scanners the SDK knows. The slice is the caller's.
//
// None of them may be silenced unseen by the repository it scans: configuration is passed explicitly, and a mark by
// which an author has a finding ignored either comes in as a suppression, where the scanner can say so (semgrep,
// gosec), or is itself ignored (gitleaks). Secrets are redacted before they reach a file.
func Builtin() []Definition {
	return []Definition{gitleaks(), semgrep(), trivy(), gosec()}
}

// gitleaks, flags of 8.30: exit code 1 is also that of a failure, so that findings get a code of their own.
// A .gitleaksignore in the target is obeyed whatever --gitleaks-ignore-path says.
func gitleaks() Definition {
	return Definition{
		Name: "gitleaks", Command: "gitleaks",
		Args: []string{
			"dir", "--report-format", "sarif", "--report-path", "{output}", "--redact", "--no-banner", "--no-color",
			"--exit-code", "42", "--config", "{config}", "--ignore-gitleaks-allow", "{target}",
		},
		Config:      "[extend]\nuseDefault = true\n",
		ExitCodes:   ExitCodes{Clean: []int{0}, Findings: []int{42}},
		VersionArgs: []string{"version"},
		Type:        report.TypeSecret,
		SilencedBy:  []string{".gitleaksignore"},
		MemoryBytes: 256 << 20,
		Slots:       1,
	}
}

// semgrep fetches its rules from the registry; --error would make 1 the exit code of findings.
func semgrep() Definition {
	return Definition{
		Name: "semgrep", Command: "semgrep",
		Args: []string{
			"scan", "--config", "p/default", "--sarif", "--output", "{output}", "--metrics", "off",
			"--disable-version-check", "--no-rewrite-rule-ids", "{target}",
		},
		ExitCodes: ExitCodes{Clean: []int{0}, Findings: []int{1}},
		Env: append([]string{
			"SEMGREP_SEND_METRICS=off", "SEMGREP_ENABLE_VERSION_CHECK=0", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
		}, network...),
		VersionArgs: []string{"--version"},
		Type:        report.TypeVulnerability,
		SilencedBy:  []string{".semgrepignore"},
		MemoryBytes: 2 << 30,
		Slots:       2,
	}
}

// trivy looks for trivy.yaml and .trivyignore in its working directory, which is not the target. What newer
// versions have flags for is set by environment, which older ones ignore.
func trivy() Definition {
	return Definition{
		Name: "trivy", Command: "trivy",
		Args: []string{
			"fs", "--scanners", "vuln,secret,misconfig", "--format", "sarif", "--output", "{output}",
			"--exit-code", "42", "--no-progress", "{target}",
		},
		ExitCodes: ExitCodes{Clean: []int{0}, Findings: []int{42}},
		Env: append([]string{
			"TRIVY_SKIP_VERSION_CHECK=true", "TRIVY_DISABLE_TELEMETRY=true", "TRIVY_CACHE_DIR", "TRIVY_SKIP_DB_UPDATE",
			"TRIVY_SKIP_JAVA_DB_UPDATE", "TRIVY_OFFLINE_SCAN", "XDG_CACHE_HOME",
		}, network...),
		VersionArgs: []string{"--version"},
		MemoryBytes: 1 << 30,
		Slots:       1,
	}
}

// gosec needs the module it scans as its working directory. -track-suppressions keeps what #nosec marks, as
// suppressed. Exit code 1 means findings, or packages that did not compile: with no finding in the SARIF the scan is
// partial, without a SARIF it has failed. There is no -quiet, with which nothing is written when nothing is found.
// The module may not choose the toolchain.
func gosec() Definition {
	return Definition{
		Name: "gosec", Command: "gosec",
		Args:      []string{"-track-suppressions", "-fmt", "sarif", "-out", "{output}", "./..."},
		InTarget:  true,
		ExitCodes: ExitCodes{Clean: []int{0}, Findings: []int{1}},
		Env: append([]string{
			"GOTOOLCHAIN=local", "GOPATH", "GOROOT", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOPRIVATE", "GONOSUMDB",
			"GOFLAGS=-mod=readonly", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
		}, network...),
		VersionArgs: []string{"-version"},
		Type:        report.TypeVulnerability,
		MemoryBytes: 2 << 30,
		Slots:       2,
	}
}

// network is what a scanner that downloads rules or databases needs of the environment.
var network = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}
