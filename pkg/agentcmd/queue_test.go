package agentcmd

import (
	"bytes"
	"strings"
	"testing"
)

func TestMisspeltQueueVerbIsUsage(t *testing.T) {
	var out, errw bytes.Buffer
	a := &cli{App: exampleApp, out: &out, errw: &errw, env: func(string) (string, bool) { return "", false }}
	if code := a.main(t.Context(), []string{"queue", "lst"}); code != ExitUsage || !strings.Contains(errw.String(), `did you mean "list"?`) {
		t.Fatalf("exit %d: %s", code, errw.String())
	}
	if code := a.main(t.Context(), []string{"queue"}); code != ExitOK || !strings.Contains(out.String(), "retry") {
		t.Fatalf("exit %d without a verb: %s", code, out.String())
	}
}
