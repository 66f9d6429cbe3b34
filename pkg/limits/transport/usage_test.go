package transport

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/limits"
)

// atTheBound is the Usage of each limit after a test has driven it to its bound. docs/limits.md names the numbers that are
// not zero here.
var atTheBound = map[string]limits.Usage{
	"network.max_total_connections":     {Used: 1, Limit: 1, Refused: 1, Waited: 1},
	"network.max_bandwidth_mbps":        {Used: 0.800008, Limit: 8, Waited: 1},
	"network.max_response_size_mb":      {Used: 1 + 1.0/(1<<20), Limit: 1, Refused: 1},
	"network.connection_timeout":        {Limit: 1, Refused: 1},
	"network.read_timeout":              {Limit: 0.02, Refused: 1},
	"network.write_timeout":             {Limit: 1, Refused: 1},
	"network.max_requests_per_second":   {Used: 2, Limit: 10, Refused: 1, Waited: 2},
	"network.rate_limit_max_requests":   {Used: 2, Limit: 10, Refused: 1, Waited: 2},
	"network.circuit_breaker_threshold": {Used: 2, Limit: 2, Refused: 1},
}

// wantBound compares got with atTheBound.
func wantBound(t *testing.T, got limits.Usage) {
	t.Helper()
	want, ok := atTheBound[got.Name]
	if want.Name = got.Name; !ok || got != want {
		t.Errorf("Usage = %+v, want %+v", got, want)
	}
}

// usageOf returns the usage with the given name.
func usageOf(t *testing.T, all []limits.Usage, name string) limits.Usage {
	t.Helper()
	for _, u := range all {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("no usage of %s in %+v", name, all)
	return limits.Usage{}
}

// TestDocsNameTheMetricsOfEachLimit compares the table of docs/limits.md with the numbers that move at the bound.
func TestDocsNameTheMetricsOfEachLimit(t *testing.T) {
	b, err := os.ReadFile("../../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		name := strings.Trim(cells[0], "|` ")
		if !strings.HasPrefix(name, "network.") || len(cells) != 4 {
			continue
		}
		documented[name] = true
		u := atTheBound[name]
		for word, moves := range map[string]bool{"used": u.Used > 0, "refused": u.Refused > 0, "waited": u.Waited > 0} {
			if named := strings.Contains(cells[3], "`"+word+"`"); named != moves {
				t.Errorf("row %s names %s: %v, want %v", name, word, named, moves)
			}
		}
	}
	for _, u := range newTransport(limits.DefaultNetworkLimits(), nil).Usage() {
		if !documented[u.Name] {
			t.Errorf("no row for %s", u.Name)
		}
	}
}

// slowly answers with a body of size bytes after a time. With dead it does not answer at all.
type slowly struct {
	head time.Duration
	body int
	dead bool
}

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
	}
	select {
	case <-time.After(s.head):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if s.dead {
		return nil, errRefused
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(make([]byte, s.body))), ContentLength: -1, Request: r}, nil
}

// Each limit of a Transport, driven to its bound, is counted; and what stays under it is not.
func TestEveryNetworkLimitIsCounted(t *testing.T) {
	post := func(ctx context.Context, rt *RoundTripper, bytes int) {
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://host/", strings.NewReader(strings.Repeat("x", bytes)))
		if resp, err := rt.RoundTrip(req); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	impatient := func(wait time.Duration, rt *RoundTripper) {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		post(ctx, rt, 1)
	}
	const mb = 1 << 20
	for name, c := range map[string]struct {
		l     limits.NetworkLimits
		base  slowly
		drive func(rt *RoundTripper)
	}{
		"network.max_total_connections": {limits.NetworkLimits{MaxTotalConnections: 1}, slowly{head: time.Minute}, func(rt *RoundTripper) {
			go post(context.Background(), rt, 1)
			synctest.Wait()
			impatient(time.Second, rt)
		}},
		"network.max_bandwidth_mbps": {limits.NetworkLimits{MaxBandwidthMbps: 8}, slowly{}, func(rt *RoundTripper) {
			post(context.Background(), rt, 100_000) // what may pass at once
			post(context.Background(), rt, 1)
		}},
		"network.max_response_size_mb": {limits.NetworkLimits{MaxResponseSizeMB: 1}, slowly{body: mb + 1}, func(rt *RoundTripper) { post(context.Background(), rt, 1) }},
		"network.connection_timeout":   {limits.NetworkLimits{ConnectionTimeout: time.Second}, slowly{head: time.Minute}, func(rt *RoundTripper) { post(context.Background(), rt, 0) }},
		"network.write_timeout":        {limits.NetworkLimits{WriteTimeout: time.Second}, slowly{head: time.Minute}, func(rt *RoundTripper) { post(context.Background(), rt, 10) }},
		"network.max_requests_per_second": {limits.NetworkLimits{EnableRateLimit: true, MaxRequestsPerSecond: 10}, slowly{}, func(rt *RoundTripper) {
			for range 2 {
				post(context.Background(), rt, 1)
			}
			impatient(time.Millisecond, rt) // whose turn comes later
		}},
		"network.rate_limit_max_requests": {limits.NetworkLimits{EnableRateLimit: true, RateLimitMaxRequests: 10, RateLimitWindow: time.Minute}, slowly{}, func(rt *RoundTripper) {
			for range 2 {
				post(context.Background(), rt, 1)
			}
			impatient(time.Millisecond, rt)
		}},
		"network.circuit_breaker_threshold": {limits.NetworkLimits{CircuitBreakerEnabled: true, CircuitBreakerThreshold: 2}, slowly{dead: true}, func(rt *RoundTripper) {
			for range 3 {
				post(context.Background(), rt, 1)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := newTransport(c.l, c.base)
				before := usageOf(t, rt.Usage(), name)
				if before != (limits.Usage{Name: name, Limit: atTheBound[name].Limit}) {
					t.Errorf("before: %+v", before)
				}
				c.drive(rt)
				wantBound(t, usageOf(t, rt.Usage(), name))
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				for _, u := range rt.Usage() {
					if u.Used != 0 && (u.Name == "network.max_total_connections" || strings.Contains(u.Name, "requests") || strings.Contains(u.Name, "mbps")) {
						t.Errorf("nothing is under way: %+v", u)
					}
				}
			})
		})
	}
	off := newTransport(limits.NetworkLimits{MaxBandwidthMbps: -1, ReadTimeout: -1}, slowly{})
	for _, name := range []string{"network.max_bandwidth_mbps", "network.read_timeout", "network.max_requests_per_second", "network.circuit_breaker_threshold"} {
		if u := usageOf(t, off.Usage(), name); u.Limit != -1 {
			t.Errorf("off: %+v", u)
		}
	}
}

// The phases that a real server is needed for.
func TestReadTimeoutIsCounted(t *testing.T) {
	c, url := client(t, limits.NetworkLimits{ReadTimeout: 20 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := c.Get(url)
	wantLimit(t, err, "read_timeout")
	wantBound(t, usageOf(t, c.Transport.(*RoundTripper).Usage(), "network.read_timeout"))
}

// Counting costs nothing that is allocated.
func TestCountingDoesNotAllocate(t *testing.T) {
	m := meter{span: time.Second}
	rt := newTransport(limits.DefaultNetworkLimits(), slowly{})
	if n := testing.AllocsPerRun(100, func() {
		m.add(1)
		rt.traffic.requests.add(1)
		if rt.acquireConnection(context.Background()) == nil {
			<-rt.inUse
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
