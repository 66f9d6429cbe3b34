package agentcmd

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// hostile are targets with a flaw, and with what silences the scanner where it may configure it.
func hostile() map[string]map[string]string {
	goModule := "module sample\n\ngo 1.21\n"
	goFlaw := "// Command sample assigns.\npackage main\n\nfunc main() {\n\tn := 1\n\tn = n\n\tprintln(n)\n}\n"
	key := "AK" + "IA" + "QYLPMN5HHHFPZAM2" // in two pieces, so that it is not reported as a leak
	return map[string]map[string]string{
		"gitleaks":      {"a.env": "aws_key=" + key + "\n", ".gitleaks.toml": "title = \"none\"\n[[rules]]\nid = \"none\"\nregex = '''nothing-is-like-this'''\n"},
		"staticcheck":   {"go.mod": goModule, "main.go": goFlaw, "staticcheck.conf": "checks = [\"-all\"]\n"},
		"golangci-lint": {"go.mod": goModule, "main.go": goFlaw, ".golangci.yml": "version: \"2\"\nlinters:\n  default: none\n  enable: [misspell]\n"},
		"eslint":        {"a.js": "eval(location.hash)\n", "eslint.config.cjs": "module.exports = [{rules: {}}];\n"},
		"flawfinder":    {"a.c": "#include <string.h>\nvoid f(char *a, char *b) { strcpy(a, b); } /* Flawfinder: ignore */\n"},
		"tfsec": {"main.tf": "resource \"aws_security_group_rule\" \"open\" {\n  type        = \"ingress\"\n" +
			"  cidr_blocks = [\"0.0.0.0/0\"] #tfsec:ignore:*\n  description = \"all\"\n}\n"},
	}
}

// TestRealIsolation: a target that tries to silence its scanner does not, and does where it is allowed to. The second
// half shows that the first is not empty for another reason.
func TestRealIsolation(t *testing.T) {
	if !*real {
		t.Skip("runs programs that make scanners installs")
	}
	bin, err := filepath.Abs(filepath.Join(repoRoot, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	targets, caches := hostile(), t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		t.Run(name, func(t *testing.T) {
			target := t.TempDir()
			for file, text := range targets[name] {
				write(t, filepath.Join(target, file), text)
			}
			for _, allowed := range []bool{false, true} {
				cfg := scan.Config{BinDirs: []string{bin}, Dir: t.TempDir(), CacheDir: caches}
				if allowed {
					cfg.AllowTargetConfig = []string{name}
				}
				r, err := scan.NewRunner(cfg)
				if err != nil {
					t.Fatal(err)
				}
				var rec scantest.Recorder
				res, err := r.Scan(t.Context(), scan.Request{Scanner: name, Target: target}, rec.Open)
				var se *scan.Error
				if errors.As(err, &se) && se.Cause == scan.CauseScanner {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				if found := res.Summary.Findings > 0; found == allowed {
					t.Errorf("the target may configure its scanner: %v; %d findings, %q", allowed, res.Summary.Findings, res.Warnings)
				}
			}
		})
	}
}
