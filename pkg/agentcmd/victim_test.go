package agentcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
)

// victim is an agent that will be killed, with the server it sends to.
type victim struct {
	*home
	t   *testing.T
	srv *ingesttest.Server
	url string // URL of srv, or of a proxy before it
}

// flags returns the flags of every command of the victim.
func (v *victim) flags(args ...string) []string {
	return append([]string{"--server", v.url, "--token-file", v.token(ingesttest.Token)}, args...)
}

// diesAt starts the agent with a text as standard input, and expects that it kills itself at an event.
func (v *victim) diesAt(event, in string, args ...string) {
	v.t.Helper()
	v.env = []string{killAt + "=" + event}
	p := v.start(v.flags(append(args, v.file(in))...)...)
	v.env = nil
	if code := p.wait(); code != -1 {
		v.t.Fatalf("exit %d, want a kill at %s\n%s", code, event, p.err.String())
	}
}

// file is a file of the user with this content; without content it is a directory to scan.
func (v *victim) file(text string) string {
	path := filepath.Join(filepath.Dir(v.state), "input")
	if text == "" {
		path += "-dir"
		if err := os.MkdirAll(path, 0o700); err != nil {
			v.t.Fatal(err)
		}
		return path
	}
	write(v.t, path, text)
	return path
}

// front puts a proxy before the server; stop is called with each upload before it is forwarded and after it was answered, and
// keeps the answer back when it returns true.
func (v *victim) front(stop func(answered bool) bool) {
	to, err := url.Parse(v.srv.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stop(false) {
			panic(http.ErrAbortHandler)
		}
		rec := httptest.NewRecorder()
		proxy.ServeHTTP(rec, r)
		if stop(true) {
			panic(http.ErrAbortHandler)
		}
		for k, values := range rec.Header() {
			w.Header()[k] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	v.t.Cleanup(web.Close)
	v.url = web.URL
}

// diesAtUpload starts an import and kills it when an upload has come to the server, or, answered, when the server has
// stored it and its answer is on the way.
func (v *victim) diesAtUpload(in string, answered bool) {
	v.t.Helper()
	pid := make(chan *os.Process, 1)
	var killed atomic.Bool
	v.front(func(a bool) bool {
		if a != answered || killed.Swap(true) {
			return false
		}
		if err := (<-pid).Kill(); err != nil {
			v.t.Error(err)
		}
		return true
	})
	p := v.start(v.flags("import", v.file(in))...)
	pid <- p.cmd.Process
	if code := p.wait(); code != -1 {
		v.t.Fatalf("exit %d, want a kill\n%s", code, p.err.String())
	}
}

// job gives the daemon a job.
func (v *victim) job(name, scanner string) {
	dropJob(v.t, v.state, name, scanner, v.t.TempDir())
}

// recover starts the daemon on what the victim left, until the server has so many reports and the queue is empty.
func (v *victim) recover(reports int64) {
	v.t.Helper()
	d := v.daemon(v.flags()...)
	testkit.Eventually(v.t, fmt.Sprintf("%d reports at the server", reports), func() bool {
		return v.srv.Stats("").Reports >= reports && len(v.queue()) == 0
	})
	d.end()
	if q := v.queue(); len(q) != 0 {
		v.t.Errorf("queue: %v", q)
	}
}

// intact checks what the agent keeps on disk.
func (v *victim) intact() {
	v.t.Helper()
	v.run("queue", "list").want(ExitOK, "the queue is empty")
	left, err := filepath.Glob(filepath.Join(v.state, "scans", "*"))
	if err != nil || len(left) > 0 {
		v.t.Errorf("private directories of scans are left: %v, %v", left, err)
	}
	log, err := os.ReadFile(filepath.Join(v.state, "audit.log"))
	if err != nil {
		v.t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(log), "\n"), "\n") {
		if !json.Valid([]byte(line)) {
			v.t.Errorf("line %d of the audit log is not whole: %q", i+1, line)
		}
	}
}
