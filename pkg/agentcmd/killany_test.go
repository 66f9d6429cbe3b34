package agentcmd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// Wherever imports are killed, in the end each report is there once, whole.
func TestKillNineAnywhere(t *testing.T) {
	t.Parallel()
	const imports, n = 12, 45
	v := &victim{home: newHome(t), t: t, srv: ingesttest.New(t)}
	write(t, v.config, severalParts("-1"))
	v.url = v.srv.URL
	dir, killed := t.TempDir(), 0
	for i := range imports {
		path := filepath.Join(dir, fmt.Sprintf("report-%d.sarif", i))
		write(t, path, results(n))
		p := v.start(v.flags("import", path)...)
		d := time.Duration(rand.IntN(60)) * time.Millisecond
		select { // at any moment: that is the point of this test
		case <-time.After(d):
			_ = p.cmd.Process.Kill() // it may have ended just now
		case <-p.done:
		}
		if p.wait() == -1 {
			killed++
		}
		v.queue() // the store opens after each kill
	}
	for i := range imports {
		v.run(v.flags("import", filepath.Join(dir, fmt.Sprintf("report-%d.sarif", i)))...).want(ExitOK)
	}
	st := v.srv.Stats("")
	if st.Reports != imports || st.Parts != imports*5 || st.Incomplete != 0 || st.Findings != imports*n || st.Duplicates != 0 || st.Repeated > int64(killed) {
		t.Errorf("after %d kills: %+v", killed, st)
	}
	v.intact()
}

// The ingest server is killed while an agent sends to it, and started again: what it had answered, it has.
func TestKillNineOfTheServer(t *testing.T) {
	t.Parallel()
	ingester := newHome(t)
	tokens, data := filepath.Join(filepath.Dir(ingester.state), "tokens"), filepath.Join(filepath.Dir(ingester.state), "data")
	write(t, tokens, ingesttest.Token+" "+ingesttest.Tenant+"\n")
	addr := strings.TrimPrefix(deadAddress(t), "http://")
	serve := func() *process {
		p := ingester.start("ingest", "--listen", addr, "--data", data, "--tokens", tokens)
		testkit.Eventually(t, "an address", func() bool { return p.out.contains("http://" + addr) })
		return p
	}
	stats := func() *ingest.Stats {
		store, err := server.OpenStore(server.StoreConfig{Path: storePath(data), ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		s, err := store.Tenant(ingesttest.Tenant).Stats(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := serve()
	const n = 300
	user := newHome(t)
	write(t, user.config, severalParts("20ms"))
	write(t, filepath.Join(filepath.Dir(user.state), "a.sarif"), results(n))
	agent := user.start("--server", "http://"+addr, "--token-file", user.token(ingesttest.Token), "import", "-o", "json", "a.sarif")
	testkit.Eventually(t, "some parts at the server", func() bool { return stats().Parts >= 3 })
	first.signal(syscall.SIGKILL)
	first.wait()
	if st := stats(); st.Reports != 0 || st.Findings != 0 {
		t.Errorf("half a report is visible: %+v", st)
	}
	second := serve()
	if code := agent.wait(); code != ExitOK {
		t.Fatalf("exit %d\n%s%s", code, agent.out.String(), agent.err.String())
	}
	if st := stats(); st.Reports != 1 || st.Parts != n/10 || st.Findings != n || st.Duplicates != 0 || st.Incomplete != 0 {
		t.Errorf("server: %+v", st)
	}
	second.end()
}
