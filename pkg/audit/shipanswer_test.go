package audit

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
)

// logTo opens a log that is sent to c, with n lines on disk.
func logTo(t *testing.T, c *collector, path string, n int) *Logger {
	t.Helper()
	l := hurry(open(t, path, shipTo(c, nil)))
	for i := range n {
		l.Log(info(i))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.Start()
	return l
}

// ofType returns the lines of one type.
func ofType(lines []line, t EventType) (out []line) {
	for _, l := range lines {
		if l.Type == t {
			out = append(out, l)
		}
	}
	return out
}

func TestABatchThatIsTooLargeIsHalved(t *testing.T) {
	c := newCollector(t)
	c.answer = func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		body, _ := io.ReadAll(r.Body)
		if len(body) < 2000 {
			r.Body = io.NopCloser(bytes.NewReader(body))
			return false
		}
		c.refuse(w, 413, "PAYLOAD_TOO_LARGE", 0)
		return true
	}
	path := logPath(t)
	l := logTo(t, c, path, 300)
	testkit.Eventually(t, "all is sent", func() bool { return c.seq() == 300 })
	stop(t, l)
	c.wantAll(path)
	if most := slices.Max(c.batches); most >= 100 || most < 5 {
		t.Errorf("the largest batch had %d lines", most)
	}
}

// One line that no collector takes, whatever the reason, must not keep the others back.
func TestARefusedBatchIsKeptAside(t *testing.T) {
	for _, status := range []int{400, 422, 413} {
		c := newCollector(t)
		c.answer = func(w http.ResponseWriter, r *http.Request, c *collector) bool {
			if after := r.Header.Get(ship.HeaderAfter); c.last == 100 && after != "100" && !strings.HasPrefix(after, "100:") {
				t.Errorf("the collector has line 100, and is told %q", after)
			}
			if strings.HasPrefix(r.Header.Get(ship.HeaderKey), "101-") {
				c.refuse(w, status, "NO", 0)
				return true
			}
			return false
		}
		path := logPath(t)
		l := logTo(t, c, path, 300)
		testkit.Eventually(t, "the rest is sent", func() bool { return c.seq() >= 301 && l.Stats().Remote.LagLines == 0 })
		s := l.Stats().Remote
		stop(t, l)
		want := 100
		if status == 413 { // in pieces down to the one line
			want = 1
		}
		all := readAll(t, path)
		kept, err := os.ReadFile(path + ship.RejectedSuffix)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(kept, []byte("\n")); n != want || s.Rejected != uint64(want) || !bytes.Contains(kept, []byte(all[100].raw)) {
			t.Errorf("%d: %d lines aside, %d counted, want %d", status, n, s.Rejected, want)
		}
		if told := ofType(all, EventAuditError); len(told) != 1 || told[0].Severity != SeverityCritical || told[0].Details["first_seq"] != 101.0 {
			t.Errorf("%d: told %+v", status, told)
		}
		if len(c.lines) != len(all)-want {
			t.Errorf("%d: the collector has %d of %d lines", status, len(c.lines), len(all))
		}
	}
}

func TestWrongCredentialsPauseAndAreToldOnce(t *testing.T) {
	c := newCollector(t)
	c.answer = func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		if c.requests%2 == 0 {
			w.WriteHeader(503)
			return true
		}
		c.refuse(w, 401+2*(c.requests/2%2), "UNAUTHORIZED", 0)
		return true
	}
	path := logPath(t)
	l := logTo(t, c, path, 10)
	testkit.Eventually(t, "some attempts", func() bool { return l.Stats().Remote.Failures > 8 })
	c.set(nil)
	testkit.Eventually(t, "all is sent", func() bool { return c.seq() == 11 })
	stop(t, l)
	c.wantAll(path)
	if told := ofType(readAll(t, path), EventAuthFailed); len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
}

// A page of a proxy, a redirect and a yes for other lines are no answers of a collector.
func TestOnlyTheCollectorsYesCounts(t *testing.T) {
	c := newCollector(t)
	says := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.Write([]byte("<html>Welcome to our network")) },
		func(w http.ResponseWriter) { w.Write([]byte(`{"seq":9}`)) },
		func(w http.ResponseWriter) { w.Header().Set("Location", c.url+"/elsewhere"); w.WriteHeader(307) },
		func(w http.ResponseWriter) { w.WriteHeader(404) },
		func(w http.ResponseWriter) { w.WriteHeader(204) },
		func(w http.ResponseWriter) { c.refuse(w, 409, ship.CodeBehind, 10) },
		func(w http.ResponseWriter) { c.refuse(w, 409, ship.CodeBehind, math.MaxUint64) },
	}
	c.answer = func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		if r.URL.Path != DefaultRemotePath {
			t.Errorf("went to %s", r.URL)
		}
		if c.requests > len(says) {
			return false
		}
		says[c.requests-1](w)
		return true
	}
	path := logPath(t)
	l := logTo(t, c, path, 10)
	testkit.Eventually(t, "all is sent", func() bool { return c.seq() == 10 })
	stop(t, l)
	c.wantAll(path)
	if s := l.Stats().Remote; s.Rejected != 0 || s.Failures != uint64(len(says)) {
		t.Errorf("%+v", s)
	}
}

func TestACollectorThatLostItsDataGetsAllAgain(t *testing.T) {
	c := newCollector(t)
	path := logPath(t)
	l := logTo(t, c, path, 250)
	testkit.Eventually(t, "all is sent", func() bool { return c.seq() == 250 })
	c.set(func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		if c.last == 250 {
			c.lines, c.last = c.lines[:30], 30
			c.refuse(w, 409, ship.CodeBehind, 30)
			return true
		}
		return false
	})
	l.Log(info(250))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "all is sent again", func() bool { return c.seq() == 251 })
	stop(t, l)
	c.wantAll(path)
}

func TestAnotherHistoryIsToldOnce(t *testing.T) {
	c := newCollector(t)
	c.answer = func(w http.ResponseWriter, r *http.Request, c *collector) bool {
		c.refuse(w, 409, "AUDIT_FORKED", 1000)
		return true
	}
	path := logPath(t)
	l := logTo(t, c, path, 10)
	testkit.Eventually(t, "some attempts", func() bool { return l.Stats().Remote.Failures > 5 })
	stop(t, l)
	if told := ofType(readAll(t, path), EventAuditError); len(told) != 1 || told[0].Severity != SeverityCritical {
		t.Errorf("told %+v", told)
	}
}

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// The pauses double, vary, end somewhere, and are never shorter than what the collector asked for.
func TestPausesGrow(t *testing.T) {
	for name, c := range map[string]struct {
		status      int
		header      []string
		first, last time.Duration // at least, of the last at most
	}{
		"503":            {503, nil, time.Second / 2, 3 * time.Minute},
		"401":            {401, nil, 15 * time.Second, 25 * time.Minute},
		"retry after":    {429, []string{"Retry-After", "77"}, 77 * time.Second, 3 * time.Minute},
		"a long time":    {503, []string{"Retry-After", "99999"}, 15 * time.Minute, 15 * time.Minute},
		"a wrong number": {503, []string{"Retry-After", "soon"}, time.Second / 2, 3 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			var at []time.Time
			l := open(t, logPath(t), func(cfg *LoggerConfig) {
				cfg.RemoteEndpoint = "http://collector.example"
				cfg.RemoteTransport = transport(func(*http.Request) (*http.Response, error) {
					at = append(at, time.Now())
					return respond(c.status, c.header...), nil
				})
			})
			l.Log(info(1))
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			l.Start()
			time.Sleep(6 * time.Hour)
			stop(t, l)
			var waits []time.Duration
			for i := 1; i < len(at); i++ {
				waits = append(waits, at[i].Sub(at[i-1]))
			}
			if len(waits) < 5 {
				t.Fatalf("%s: %d attempts in six hours", name, len(at))
			}
			if slices.Min(waits) < c.first || slices.Max(waits) > c.last {
				t.Errorf("%s: waits of %v to %v, want %v to %v", name, slices.Min(waits), slices.Max(waits), c.first, c.last)
			}
			if c.header == nil && (waits[len(waits)-1] < 10*waits[0] || len(slices.Compact(slices.Clone(waits))) < len(waits)) {
				t.Errorf("%s: they neither grow nor vary: %v", name, waits[:5])
			}
		})
	}
}

// A collector that does not answer delays Stop for a moment, and Log not at all.
func TestAHangingCollectorHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, logPath(t), func(cfg *LoggerConfig) {
			cfg.RemoteEndpoint = "http://collector.example"
			cfg.RemoteTransport = transport(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			})
		})
		l.Start()
		begin := time.Now()
		for i := range 1000 {
			l.Log(info(i))
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 0 { // of the bubble's clock, which a disk does not move
			t.Errorf("Log waited %v", took)
		}
		synctest.Wait()
		stop(t, l)
		if took := time.Since(begin); took > ship.StopGrace+time.Second {
			t.Errorf("Stop took %v", took)
		}
	})
}

// BenchmarkShip sends batches of 1000 lines to a collector that costs nothing: ns/op is of one line.
func BenchmarkShip(b *testing.B) {
	path := logPath(b)
	l := open(b, path, func(cfg *LoggerConfig) {
		cfg.RemoteEndpoint = "http://collector.example"
		cfg.RemoteTransport = transport(func(r *http.Request) (*http.Response, error) {
			resp := respond(200)
			resp.Body = io.NopCloser(strings.NewReader(`{"seq":9223372036854775807}`))
			return resp, nil
		})
	})
	for i := range b.N {
		if l.Log(info(i)); i%1000 == 0 {
			if err := l.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := l.Flush(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for l.ship.Step() >= 0 {
	}
	b.StopTimer()
	if s := l.Stats().Remote; s.LagLines > 0 || s.Failures > 0 {
		b.Fatalf("%+v", s)
	}
	l.ship.CloseLines()
}
