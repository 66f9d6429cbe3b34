package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
)

// collector is a server that keeps the lines it gets. answer, when set, answers a request instead; true: it did.
type collector struct {
	t      testing.TB
	url    string
	answer func(w http.ResponseWriter, r *http.Request, c *collector) bool

	mu       sync.Mutex
	lines    [][]byte // with a number, in the order of arrival
	last     uint64
	requests int
	repeats  int // lines that came twice
	batches  []int
}

func newCollector(t testing.TB) *collector {
	c := &collector{t: t}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if c.answer != nil && c.answer(w, r, c) {
		return
	}
	c.take(r)
	c.ok(w)
}

func (c *collector) ok(w http.ResponseWriter) { fmt.Fprintf(w, `{"seq":%d}`, c.last) }

func (c *collector) refuse(w http.ResponseWriter, status int, code string, seq uint64) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":"no","details":{"seq":%d}}}`, code, seq)
}

// take keeps what is new in a request.
func (c *collector) take(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = codec.Decode(r.Header.Get("Content-Encoding"), body, codec.Limits{})
	}
	if err != nil {
		c.t.Errorf("a request: %v", err)
	}
	n := 0
	for line := range bytes.Lines(body) {
		end, ok := logfile.ParseEnd(line)
		switch {
		case !ok || !json.Valid(line):
			c.t.Errorf("no line of a log was sent: %q", line)
		case end.Seq == 0:
		case end.Seq <= c.last:
			c.repeats++
			n++
		default:
			c.lines, c.last = append(c.lines, bytes.Clone(line)), end.Seq
			n++
		}
	}
	c.batches = append(c.batches, n)
}

func (c *collector) seq() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// set changes the answers while requests come.
func (c *collector) set(answer func(w http.ResponseWriter, r *http.Request, c *collector) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

// wantAll fails unless the collector has the lines of the log at path, in their order, to the last byte.
func (c *collector) wantAll(path string) {
	c.t.Helper()
	want := readAll(c.t, path)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lines) != len(want) {
		c.t.Fatalf("the collector has %d lines, the log %d", len(c.lines), len(want))
	}
	for i := range want {
		if string(c.lines[i]) != want[i].raw {
			c.t.Fatalf("line %d differs:\n%s\n%s", i+1, c.lines[i], want[i].raw)
		}
	}
}

// shipTo sends the log to c, with pauses that a test can wait for.
func shipTo(c *collector, change func(*LoggerConfig)) func(*LoggerConfig) {
	return func(cfg *LoggerConfig) {
		cfg.RemoteEndpoint = c.url
		if change != nil {
			change(cfg)
		}
	}
}

// hurry makes the pauses of l short, its batches small, and its Stop wait for the collector as long as that takes. Call it
// before Start.
func hurry(l *Logger) *Logger { return hurryBy(l, 100) }

func hurryBy(l *Logger, most int) *Logger {
	l.ship.Linger, l.ship.Most, l.ship.Limit, l.ship.Grace = 0, most, most, time.Hour
	l.ship.Pauses.Short = retry.Policy{Initial: time.Millisecond, Max: 10 * time.Millisecond, Jitter: 0.5}
	l.ship.Pauses.Long = l.ship.Pauses.Short
	return l
}

type token string

func (t token) Token(context.Context) (string, error) {
	if t == "" {
		return "", errors.New("no token")
	}
	return string(t), nil
}

func TestEveryLineReachesTheCollector(t *testing.T) {
	c := newCollector(t)
	c.answer = func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		if r.URL.Path != DefaultRemotePath || r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get(ship.HeaderAgent) != "agent-001" {
			t.Errorf("request to %s of %q with %q", r.URL, r.Header.Get(ship.HeaderAgent), r.Header.Get("Authorization"))
		}
		return false
	}
	path := logPath(t)
	for run := range 3 {
		l := open(t, path, shipTo(c, func(cfg *LoggerConfig) { cfg.RemoteToken, cfg.MaxSizeMB = token("secret"), 1 }))
		hurry(l).Start()
		for i := range 4000 {
			l.Log(info(run*4000 + i))
		}
		stop(t, l)
	}
	c.wantAll(path)
	if c.repeats > 0 {
		t.Errorf("%d lines came twice", c.repeats)
	}
	if c.requests > 12000/10 {
		t.Errorf("%d requests for 12000 lines", c.requests)
	}
}

func TestStatsSayHowFarTheCollectorIs(t *testing.T) {
	c := newCollector(t)
	c.set(func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		w.WriteHeader(500)
		return true
	})
	l := hurry(open(t, logPath(t), shipTo(c, nil)))
	l.Start()
	for i := range 20 {
		l.Log(info(i))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a failure is told", func() bool {
		s := l.Stats().Remote
		return s.Failing && s.LagLines == 20 && s.LagBytes > 20*300 && s.LagAge > 0 && s.LastError != "" && s.Failures > 1
	})
	c.set(nil)
	testkit.Eventually(t, "all is sent", func() bool {
		s := l.Stats().Remote
		return !s.Failing && s.LagLines == 0 && s.LagBytes == 0 && s.LagAge == 0 && s.SentSeq == 20 && s.AckedSeq == 20 && s.Lines == 20
	})
}

func TestADamagedCursorBeginsAnew(t *testing.T) {
	c := newCollector(t)
	path := logPath(t)
	for run, damage := range []func() error{
		func() error { return nil },
		func() error { return os.Truncate(path+ship.SentSuffix, 0) },
		func() error { return os.WriteFile(path+ship.SentSuffix, []byte(`{"to":"x","file_id":1e9`), 0o600) },
		func() error { return os.Remove(path + ship.SentSuffix) },
		func() error {
			return os.WriteFile(path+ship.SentSuffix, []byte(`{"to":"agent-001 `+c.url+DefaultRemotePath+`","file_id":"feedfacefeedface","seq":30,"offset":999999,"acked":30}`), 0o600)
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		l := hurry(open(t, path, shipTo(c, nil)))
		l.Start()
		for i := range 10 {
			l.Log(info(run*10 + i))
		}
		stop(t, l)
		c.wantAll(path)
	}
	if c.repeats == 0 {
		t.Error("nothing came twice: the damage was none")
	}
}
