package agentcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
)

// The ingest server by itself: its address is the first line, and another user's agent sends to it.
func TestIngestServer(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	tokens := filepath.Join(filepath.Dir(h.state), "tokens")
	write(t, tokens, "# two tenants\nfirst-token-1234 red\nsecond-token-1234 blue\n")
	data := filepath.Join(filepath.Dir(h.state), "data")
	args := []string{"ingest", "--listen", "127.0.0.1:0", "--data", data, "--tokens", tokens}
	srv := h.start(args...)
	testkit.Eventually(t, "an address", func() bool { return srv.out.contains("\n") })
	url := strings.TrimSpace(srv.out.String())
	if !strings.HasPrefix(url, "http://127.0.0.1:") || strings.HasSuffix(url, ":0") {
		t.Fatalf("first line %q", url)
	}
	user := newHome(t)
	red := []string{"--server", url, "--token-file", user.token("first-token-1234")}
	user.pipe(results(4), append(red, "import", "-")...).want(ExitOK, "4 new findings", "Sent to "+url)
	user.pipe(results(4), append(red, "import", "-")...).want(ExitOK)
	if got := user.found(red...); len(got) != 4 {
		t.Errorf("%d findings", len(got))
	}
	if got := user.found("--server", url, "--token-file", user.token("second-token-1234")); len(got) != 0 {
		t.Errorf("another tenant sees %d findings", len(got))
	}
	user.run("findings", "--data", data, "--tenant", "red").want(ExitOK, "4 findings")
	srv.end()
	if got := user.found("--data", data, "--tenant", "red"); len(got) != 4 {
		t.Errorf("%d findings after the end", len(got))
	}

	if err := os.Chmod(tokens, 0o644); err != nil {
		t.Fatal(err)
	}
	h.run(args...).want(ExitConfig, "other users can read it, run chmod 600")
	write(t, tokens, "first-token-1234 red\n")
	if err := os.Chmod(tokens, 0o600); err != nil {
		t.Fatal(err)
	}
	h.run("ingest", "--listen", "nowhere:nothing", "--tokens", tokens).want(ExitRuntime)
}
