package audit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

const collectorToken = "token-of-the-flaky-collector"

// flaky is a server of pkg/ingest that loses requests and answers, and is stopped and started again.
type flaky struct {
	t    testing.TB
	addr string
	dir  string

	mu                        sync.Mutex
	rand                      *rand.Rand
	store                     *server.Store
	srv                       *http.Server
	busy, lost, cut, restarts atomic.Int64
}

func newFlaky(t testing.TB) *flaky {
	f := &flaky{t: t, addr: "127.0.0.1:0", dir: t.TempDir(), rand: rand.New(rand.NewPCG(1, 2))}
	f.start()
	t.Cleanup(f.stop)
	return f
}

func (f *flaky) start() {
	store, err := server.OpenStore(server.StoreConfig{Path: filepath.Join(f.dir, "ingest.db")})
	if err != nil {
		f.t.Fatal(err)
	}
	h, err := server.NewHandler(server.HandlerConfig{Store: store, Tokens: map[string]string{collectorToken: "a"}})
	if err != nil {
		f.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	srv := &http.Server{Handler: f.unreliable(h)}
	go func() { _ = srv.Serve(ln) }() // ends with stop
	f.store, f.srv = store, srv
}

func (f *flaky) stop() { f.t.Helper(); errors.Join(f.srv.Close(), f.store.Close()) }

func (f *flaky) restart() {
	f.stop()
	f.start()
	f.restarts.Add(1)
}

// unreliable gives one request in ten a 503, one in twenty no answer after it was stored, one in twenty is cut before.
func (f *flaky) unreliable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n := f.rand.IntN(100)
		f.mu.Unlock()
		switch {
		case n < 10:
			f.busy.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		case n < 15:
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code/100 == 2 {
				f.lost.Add(1)
			}
			panic(http.ErrAbortHandler)
		case n < 20:
			f.cut.Add(1)
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// wantAll fails unless the server has exactly the lines of the log at path, in order and none missing.
func (f *flaky) wantAll(path string) ingest.AuditHead {
	f.t.Helper()
	tenant := f.store.Tenant("a")
	var got []byte
	var head ingest.AuditHead
	for after := uint64(0); ; {
		page, err := tenant.AuditLines(context.Background(), "agent-001", after, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		got, head = append(got, page.Data...), page.Head
		if after = page.Next; after == 0 {
			break
		}
	}
	want := readAll(f.t, path)
	i := 0
	for line := range bytes.Lines(got) {
		if end, ok := logfile.ParseEnd(line); !ok || end.Seq == 0 {
			continue
		}
		if i < len(want) && string(line) != want[i].raw {
			f.t.Fatalf("line %d differs: %s", i+1, line)
		}
		i++
	}
	if i != len(want) || head.Lines != int64(i) || head.Breaks != 0 {
		f.t.Fatalf("the server has %d lines (%+v), the log %d", i, head, len(want))
	}
	// What the server has is a log of its own, headers and all.
	copied := filepath.Join(f.t.TempDir(), "audit.log")
	if err := os.WriteFile(copied, got, 0o600); err != nil {
		f.t.Fatal(err)
	}
	for _, p := range []string{path, copied} {
		rep, err := auditlog.Verify(f.t.Context(), p, auditlog.VerifyOptions{Known: []Mark{{Seq: head.Seq, Chain: head.Chain}}})
		if err != nil || rep.Verdict != auditlog.Intact {
			f.t.Errorf("%s against the server's mark: %+v %v", p, rep, err)
		}
	}
	return head
}

func TestAFlakyCollectorGetsEveryLine(t *testing.T) {
	f := newFlaky(t)
	path := logPath(t)
	key := filepath.Join(t.TempDir(), "key.json")
	if _, err := CreateKey(key); err != nil {
		t.Fatal(err)
	}
	for run := range 4 {
		l := hurryBy(open(t, path, func(cfg *LoggerConfig) {
			cfg.RemoteEndpoint, cfg.RemoteToken = "http://"+f.addr, token(collectorToken)
			cfg.MaxSizeMB, cfg.Compress, cfg.KeyFile = 1, run%2 == 0, key
		}), 20)
		l.Start()
		for i := range 1500 {
			l.Log(info(i))
			if i == 700 {
				f.restart()
			}
		}
		if run < 3 { // the agent ends while there is much to send
			stop(t, l)
			continue
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "all is sent", func() bool { return l.Stats().Remote.LagLines == 0 })
		stop(t, l)
	}
	head := f.wantAll(path)
	t.Logf("%d lines, %d repeated; %d × 503, %d acks lost, %d cut, %d restarts", head.Lines, head.Repeated, f.busy.Load(), f.lost.Load(), f.cut.Load(), f.restarts.Load())
	if f.busy.Load() == 0 || f.lost.Load() == 0 || f.cut.Load() == 0 || head.Repeated == 0 {
		t.Error("the collector was not flaky")
	}
}

// The environment of the victim: the log it writes, and where it sends it.
const (
	shipVictimLog = "AUDIT_TEST_SHIP_LOG"
	shipVictimTo  = "AUDIT_TEST_SHIP_TO"
	shipVictimAck = "AUDIT_TEST_SHIP_ACK" // the acknowledgement that it gets and dies of, before the cursor is written; empty: none
)

// TestShippingVictim is the process that TestAKilledAgentSendsEveryLine kills.
func TestShippingVictim(t *testing.T) {
	path := os.Getenv(shipVictimLog)
	if path == "" {
		t.Skip("it is the child of another test")
	}
	ack, _ := strconv.Atoi(os.Getenv(shipVictimAck)) // none: never
	dying := transport(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && resp.StatusCode/100 == 2 {
			if ack--; ack == 0 {
				killSelf()
			}
		}
		return resp, err
	})
	l := shippingBy(t, path, os.Getenv(shipVictimTo), dying)
	for i := 0; ; i++ {
		l.Log(info(i))
		if i%4 == 3 {
			time.Sleep(time.Millisecond)
		}
	}
}

func killSelf() {
	if self, err := os.FindProcess(os.Getpid()); err != nil || self.Kill() != nil {
		os.Exit(99)
	}
	select {} // until it is delivered
}

func shippingTo(t testing.TB, path, url string) *Logger { return shippingBy(t, path, url, nil) }

func shippingBy(t testing.TB, path, url string, by http.RoundTripper) *Logger {
	l := hurryBy(open(t, path, func(cfg *LoggerConfig) {
		cfg.RemoteEndpoint, cfg.RemoteToken, cfg.RemoteTransport = url, token(collectorToken), by
		cfg.MaxSizeMB, cfg.Compress = 1, true
	}), 50)
	l.Start()
	return l
}

func TestAKilledAgentSendsEveryLine(t *testing.T) {
	f := newFlaky(t)
	path := logPath(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	sent := func() uint64 {
		head, err := f.store.Tenant("a").AuditHead(t.Context(), "agent-001")
		if err != nil {
			t.Fatal(err)
		}
		return head.Seq
	}
	for round := range 8 {
		child := exec.Command(self, "-test.run=^TestShippingVictim$")
		child.Env = append(os.Environ(), shipVictimLog+"="+path, shipVictimTo+"=http://"+f.addr)
		if round%2 == 1 {
			child.Env = append(child.Env, shipVictimAck+"="+strconv.Itoa(round))
		}
		child.Stdout, child.Stderr = io.Discard, io.Discard
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			goal := sent() + 100 + uint64(r.IntN(400))
			testkit.Eventually(t, "the victim sends line "+strconv.FormatUint(goal, 10), func() bool { return sent() >= goal })
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) || exit.ExitCode() > 0 && runtime.GOOS != "windows" {
			t.Fatalf("the victim was not killed: %v", err)
		}
		if round == 3 {
			f.restart()
		}
		if round == 4 { // the cursor is lost
			if err := os.Remove(path + ship.SentSuffix); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := shippingTo(t, path, "http://"+f.addr)
	testkit.Eventually(t, "the collector has every line", func() bool { return l.Stats().Remote.LagLines == 0 })
	stop(t, l)
	head := f.wantAll(path)
	t.Logf("%d lines, %d repeated", head.Lines, head.Repeated)
	if head.Repeated == 0 {
		t.Error("nothing was sent twice")
	}
}
