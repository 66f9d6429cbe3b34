package agentcmd

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// A bad moment of the server costs a retry and nothing else: each report arrives once.
func TestServerRecovers(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    ingesttest.Fault
		repeated int64
	}{
		{"500", ingesttest.Fault{Status: http.StatusInternalServerError}, 0},
		{"503", ingesttest.Fault{Status: http.StatusServiceUnavailable}, 0},
		{"429", ingesttest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "1"}, 0},
		{"408", ingesttest.Fault{Status: http.StatusRequestTimeout}, 0},
		{"portal", ingesttest.Fault{Status: http.StatusOK, Body: "<html>please log in</html>"}, 0},
		{"cut", ingesttest.Fault{Cut: true}, 0},
		{"lost-answer", ingesttest.Fault{LoseAnswer: true}, 1},
		{"half-an-answer", ingesttest.Fault{CutAnswer: true}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv, h := ingesttest.New(t), newHome(t)
			srv.Fail(c.fault)
			s := h.pipe(results(5), append(h.to(srv), "import", "-", "-o", "json")...).want(ExitOK).summary()
			st := srv.Stats("")
			if st.Reports != 1 || st.Parts != 1 || st.Findings != 5 || st.Duplicates != 0 || st.Incomplete != 0 || st.Repeated != c.repeated {
				t.Errorf("server: %+v", st)
			}
			if s.Left != 0 || s.Dead != 0 || len(srv.Requests()) < 2 {
				t.Errorf("agent: %+v, %d requests", s, len(srv.Requests()))
			}
			if q := h.queue(); len(q) != 0 {
				t.Errorf("queue: %v", q)
			}
		})
	}
}

// deadAddress returns an address without a listener.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// Reports for a server that is down are kept, and the next command delivers them.
func TestServerDownThenUp(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	token := h.token(ingesttest.Token)
	r := h.pipe(results(5), "--server", deadAddress(t), "--token-file", token, "import", "--wait", "1s", "-").
		want(ExitUnavailable, "Left       1 report kept", "example-agent queue list shows them")
	if !strings.Contains(r.out, "connection refused") {
		t.Errorf("the reason is not told: %s", r.out)
	}
	q := h.queue()
	if len(q) != 1 || q[0]["state"] != "pending" || q[0]["findings"] != 5.0 {
		t.Fatalf("queue: %v", q)
	}
	h.pipe(results(3), append(h.to(srv), "import", "-")...).want(ExitOK)
	if st := srv.Stats(""); st.Reports != 2 || st.Parts != 2 || st.Repeated != 0 || st.Incomplete != 0 {
		t.Errorf("server: %+v", st)
	}
	if q := h.queue(); len(q) != 0 {
		t.Errorf("queue: %v", q)
	}
}

// --wait 0 is not the default wait.
func TestImportDoesNotWait(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	srv.Fail(ingesttest.Fault{Hang: true}, ingesttest.Fault{Hang: true})
	s := h.pipe(results(5), append(h.to(srv), "import", "--wait", "0", "-o", "json", "-")...).want(ExitUnavailable).summary()
	if s.Left != 1 || s.DurationMS > (defaultWait/2).Milliseconds() {
		t.Errorf("%+v", s)
	}
}

func TestServerStaysDown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ingesttest.Fault{
		"hang": {Hang: true}, "503": {Status: http.StatusServiceUnavailable, RetryAfter: "600"},
	} {
		srv, h := ingesttest.New(t), newHome(t)
		srv.Fail(fault, fault, fault)
		h.pipe(results(5), append(h.to(srv), "import", "--wait", "300ms", "-")...).want(ExitUnavailable)
		srv.Heal()
		if name == "503" { // due in ten minutes, for the server asked for that; nothing else may deliver it earlier
			h.run(append(h.to(srv), "import", "--wait", "2s", filepath.Join(files(t, map[string]string{"a": results(1)}), "a"))...).want(ExitUnavailable)
			if st := srv.Stats(""); st.Reports != 1 || len(h.queue()) != 1 {
				t.Errorf("server: %+v, queue %v", st, h.queue())
			}
		}
	}
}

// Wrong credentials say nothing of the report: it is kept, and goes out when the token is right.
func TestWrongToken(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	wrong := h.token("this-is-not-the-right-token")
	h.pipe(results(5), "--server", srv.URL, "--token-file", wrong, "import", "--wait", "1s", "-").want(ExitUnavailable, "401", "1 report kept")
	if st := srv.Stats(""); st.Reports != 0 {
		t.Errorf("server: %+v", st)
	}
	h.pipe(results(5), append(h.to(srv), "import", "-")...).want(ExitOK)
	if st := srv.Stats(""); st.Reports == 0 || st.Findings != 5 || len(h.queue()) != 0 {
		t.Errorf("server: %+v, queue %v", st, h.queue())
	}
	h.run("--server", srv.URL, "--token-file", h.token("this-is-not-the-right-token"), "findings").want(ExitUnavailable, "401")
	h.run("--server", deadAddress(t), "findings").want(ExitUnavailable)
	if got := h.found(h.to(srv)...); len(got) != 5 {
		t.Errorf("%d findings through the server", len(got))
	}
}

// A daemon reads the token file again when the server refuses its token, without a restart.
func TestTokenIsReplaced(t *testing.T) {
	t.Parallel()
	srv := ingesttest.New(t)
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))))
	d := h.daemon("--server", srv.URL, "--token-file", h.token("this-token-was-revoked"))
	dropJob(t, h.state, "one", "good", t.TempDir())
	testkit.Eventually(t, "a pause", func() bool { return d.status().Agent.Pipeline.PausedUntil != nil })
	h.run("status").want(ExitRuntime, "credentials refused")
	h.token(ingesttest.Token)
	testkit.Eventually(t, "the report", func() bool { return srv.Stats("").Reports == 1 })
	testkit.Eventually(t, "a daemon that is well", func() bool { return d.status().Agent.Pipeline.PausedUntil == nil })
	if log, err := os.ReadFile(filepath.Join(h.state, "audit.log")); err != nil || !strings.Contains(string(log), `"auth_failed"`) || strings.Contains(string(log), ingesttest.Token) {
		t.Errorf("audit log: %v\n%s", err, log)
	}
	d.end()
}

// A report that the server will never take is a dead letter: told, listed, shown, and retried by an operator's word.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	srv.Fail(ingesttest.Fault{Status: http.StatusRequestEntityTooLarge})
	h.pipe(results(5), append(h.to(srv), "import", "-")...).want(ExitRuntime, "1 dead letter: example-agent queue list", "413")
	q := h.queue()
	if len(q) != 1 || q[0]["state"] != "failed" || q[0]["dead"] != 1.0 || !strings.Contains(q[0]["last_error"].(string), "413") {
		t.Fatalf("queue: %v", q)
	}
	id := q[0]["report_id"].(string)
	h.run("queue", "list").want(ExitOK, id, "failed", "0/1", "413")
	h.run("queue", "show", id).want(ExitOK, id, "dead", "413")
	var entry map[string]any
	h.run("queue", "show", id, "-o", "json").want(ExitOK).decode(&entry)
	if len(entry["parts"].([]any)) != 1 || len(entry["revisions"].([]any)) != 1 {
		t.Errorf("show: %v", entry)
	}
	h.run("queue", "retry", "nothing", id).want(ExitRuntime, id+": 1 part due again", "report nothing: ")
	h.pipe(results(1), append(h.to(srv), "import", "-")...).want(ExitOK)
	if st := srv.Stats(""); st.Reports != 2 || st.Repeated != 0 || len(h.queue()) != 0 {
		t.Errorf("server: %+v, queue %v", st, h.queue())
	}
}

func TestQueueDrop(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	srv.Fail(ingesttest.Fault{Status: http.StatusUnprocessableEntity})
	h.pipe(results(5), append(h.to(srv), "import", "-")...).want(ExitRuntime, "422")
	id := h.queue()[0]["report_id"].(string)
	var dropped map[string]int
	h.run("queue", "drop", id, "-o", "json").want(ExitOK).decode(&dropped)
	if dropped[id] != 1 || len(h.queue()) != 0 {
		t.Errorf("dropped %v, queue %v", dropped, h.queue())
	}
	h.run("queue", "drop", id).want(ExitRuntime, "report "+id)
}

// The agent does not use a token that others can read, nor one that is none.
func TestTokenFileIsRefused(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	path := h.token("secret-of-the-server")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"import", "-"}, {"findings"}} {
			r := h.pipe(results(1), append([]string{"--server", deadAddress(t), "--token-file", path}, args...)...).want(ExitConfig, "others can read it; chmod 600 it")
			if strings.Contains(r.out+r.err, "secret-of") {
				t.Errorf("the token is shown: %s%s", r.out, r.err)
			}
		}
	}
	h.pipe(results(1), "--server", deadAddress(t), "--token-file", h.token("two words"), "import", "-").want(ExitConfig, "want one token")
	h.pipe(results(1), "--server", deadAddress(t), "--token-file", h.state+"-none", "import", "-").want(ExitConfig, "no such file")
	h.pipe(results(1), "--server", "ftp://example.com", "import", "-").want(ExitConfig, "ftp")
}

// A second agent on the same state directory is refused, and says who holds it.
func TestStateDirectoryIsExclusive(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := h.daemon()
	r := h.pipe(results(1), "import", "-").want(ExitRuntime, h.state)
	if !strings.Contains(r.err, "held") && !strings.Contains(r.err, "in use") && !strings.Contains(r.err, "another process") {
		t.Errorf("unclear: %s", r.err)
	}
	h.run("run").want(ExitRuntime, h.state)
	d.end()
}
