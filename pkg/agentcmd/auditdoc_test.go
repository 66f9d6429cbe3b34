package agentcmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/audit"
)

// TestDocsAuditByHand runs the lines with which docs/format/audit.md checks a line by hand.
func TestDocsAuditByHand(t *testing.T) {
	for _, tool := range []string{"sh", "sed", "jq", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(repoRoot, "docs", "format", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for _, block := range docFence.FindAllStringSubmatch(string(page), -1) {
		if block[1] == "sh" && strings.Contains(block[2], "sha256sum") {
			script = block[2]
		}
	}
	h := newHome(t)
	logged(t, h.auditLog(nil), audit.Event{Type: audit.EventAgentStart}, audit.Event{Type: audit.EventJobStarted, Message: `a "quoted" \ %s thing`}, audit.Event{Type: audit.EventAgentStop})
	for _, script := range []string{script, strings.NewReplacer("sed -n 3p audit.log | jq -r .chain", "sed -n 1p audit.log | jq -r .details.prev", "4p", "2p").Replace(script)} {
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = h.state
		out, err := cmd.CombinedOutput()
		sums := strings.Fields(string(out))
		if err != nil || len(sums) != 2 || len(sums[0]) != 64 || sums[0] != sums[1] {
			t.Errorf("%v: %s\n%s", err, out, script)
		}
	}
}
