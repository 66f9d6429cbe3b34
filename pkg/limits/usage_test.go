package limits

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// atTheBound is what each limit counts once a test has driven it to its bound. docs/limits.md names the numbers that
// are not zero here.
var atTheBound = map[string]Usage{
	"computational.max_goroutines":       {Used: 4, Limit: 4, Refused: 1, Waited: 1},
	"computational.cpu_threshold_warn":   {Used: 0.82, Limit: 0.8, Refused: 1},
	"computational.cpu_threshold_crit":   {Used: 0.9, Limit: 0.85, Refused: 1, Waited: 1},
	"computational.max_concurrent_ops":   {Used: 1, Limit: 1, Refused: 1, Waited: 1},
	"memory.max_heap_size_mb":            {Used: 600, Limit: 512},
	"memory.memory_warn_threshold":       {Used: 0.82, Limit: 0.8, Refused: 1},
	"memory.memory_crit_threshold":       {Used: 0.9, Limit: 0.85, Refused: 1, Waited: 1},
	"memory.heap_guard":                  {Used: 45, Limit: 80, Refused: 1, Waited: 2},
	"network.max_total_connections":      {Used: 1, Limit: 1, Refused: 1, Waited: 1},
	"network.max_bandwidth_mbps":         {Used: 0.800008, Limit: 8, Waited: 1},
	"network.max_response_size_mb":       {Used: 1 + 1.0/(1<<20), Limit: 1, Refused: 1},
	"network.connection_timeout":         {Limit: 1, Refused: 1},
	"network.read_timeout":               {Limit: 0.02, Refused: 1},
	"network.write_timeout":              {Limit: 1, Refused: 1},
	"network.max_requests_per_second":    {Used: 2, Limit: 10, Refused: 1, Waited: 2},
	"network.rate_limit_max_requests":    {Used: 2, Limit: 10, Refused: 1, Waited: 2},
	"network.circuit_breaker_threshold":  {Used: 2, Limit: 2, Refused: 1},
	"file_system.min_free_disk_space_mb": {Used: 1, Limit: 1 << 30, Refused: 2}, // or whatever is free
}

// bound wants the numbers of atTheBound.
func bound(t *testing.T, got Usage) {
	t.Helper()
	want, ok := atTheBound[got.Name]
	if want.Name = got.Name; !ok || got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// usageOf returns the one with this name.
func usageOf(t *testing.T, all []Usage, name string) Usage {
	t.Helper()
	for _, u := range all {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("%s is not in %+v", name, all)
	return Usage{}
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
		l     NetworkLimits
		base  slowly
		drive func(rt *RoundTripper)
	}{
		"network.max_total_connections": {NetworkLimits{MaxTotalConnections: 1}, slowly{head: time.Minute}, func(rt *RoundTripper) {
			go post(context.Background(), rt, 1)
			synctest.Wait()
			impatient(time.Second, rt)
		}},
		"network.max_bandwidth_mbps": {NetworkLimits{MaxBandwidthMbps: 8}, slowly{}, func(rt *RoundTripper) {
			post(context.Background(), rt, 100_000) // what may pass at once
			post(context.Background(), rt, 1)
		}},
		"network.max_response_size_mb": {NetworkLimits{MaxResponseSizeMB: 1}, slowly{body: mb + 1}, func(rt *RoundTripper) { post(context.Background(), rt, 1) }},
		"network.connection_timeout":   {NetworkLimits{ConnectionTimeout: time.Second}, slowly{head: time.Minute}, func(rt *RoundTripper) { post(context.Background(), rt, 0) }},
		"network.write_timeout":        {NetworkLimits{WriteTimeout: time.Second}, slowly{head: time.Minute}, func(rt *RoundTripper) { post(context.Background(), rt, 10) }},
		"network.max_requests_per_second": {NetworkLimits{EnableRateLimit: true, MaxRequestsPerSecond: 10}, slowly{}, func(rt *RoundTripper) {
			for range 2 {
				post(context.Background(), rt, 1)
			}
			impatient(time.Millisecond, rt) // whose turn comes later
		}},
		"network.rate_limit_max_requests": {NetworkLimits{EnableRateLimit: true, RateLimitMaxRequests: 10, RateLimitWindow: time.Minute}, slowly{}, func(rt *RoundTripper) {
			for range 2 {
				post(context.Background(), rt, 1)
			}
			impatient(time.Millisecond, rt)
		}},
		"network.circuit_breaker_threshold": {NetworkLimits{CircuitBreakerEnabled: true, CircuitBreakerThreshold: 2}, slowly{dead: true}, func(rt *RoundTripper) {
			for range 3 {
				post(context.Background(), rt, 1)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := Transport(c.l, c.base)
				before := usageOf(t, rt.Usage(), name)
				if before != (Usage{Name: name, Limit: atTheBound[name].Limit}) {
					t.Errorf("before: %+v", before)
				}
				c.drive(rt)
				bound(t, usageOf(t, rt.Usage(), name))
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
	off := Transport(NetworkLimits{MaxBandwidthMbps: -1, ReadTimeout: -1}, slowly{})
	for _, name := range []string{"network.max_bandwidth_mbps", "network.read_timeout", "network.max_requests_per_second", "network.circuit_breaker_threshold"} {
		if u := usageOf(t, off.Usage(), name); u.Limit != -1 {
			t.Errorf("off: %+v", u)
		}
	}
}

// The phases that a real server is needed for.
func TestReadTimeoutIsCounted(t *testing.T) {
	c, url := client(t, NetworkLimits{ReadTimeout: 20 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := c.Get(url)
	wantLimit(t, err, "read_timeout")
	bound(t, usageOf(t, c.Transport.(*RoundTripper).Usage(), "network.read_timeout"))
}

// Each limit that a controller holds, driven to its bound, is counted.
func TestEveryLimitOfAControllerIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		l           Limits
		cpu, memory float64
	}{
		"computational.max_goroutines":     {Limits{Computational: ComputationalLimits{MaxGoroutines: 4}}, 10, 10},
		"computational.max_concurrent_ops": {Limits{Computational: ComputationalLimits{MaxConcurrentOps: 1}}, 10, 10},
		"computational.cpu_threshold_warn": {Limits{}, 82, 10},
		"computational.cpu_threshold_crit": {Limits{}, 90, 10},
		"memory.max_heap_size_mb":          {Limits{}, 10, 10},
		"memory.memory_warn_threshold":     {Limits{}, 10, 82},
		"memory.memory_crit_threshold":     {Limits{}, 10, 90},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{cpu: 10, memory: 10}
				cfg := c.l.ControllerConfig(resource.ControllerConfig{Sampler: h, MaxConcurrentJobs: 8})
				ctl := resource.NewController(&cfg)
				if err := ctl.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer ctl.Stop()
				if before := usageOf(t, c.l.ControllerUsage(cfg, ctl.GetStatus()), name); before.Refused+before.Waited != 0 || before.Limit != atTheBound[name].Limit {
					t.Errorf("before: %+v", before)
				}
				h.set(c.cpu, c.memory)
				time.Sleep(time.Minute)
				if !ctl.AcquireSlot(t.Context()) {
					t.Fatal("no slot")
				}
				if atTheBound[name].Waited > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if ctl.AcquireSlot(t.Context()) || ctl.AcquireSlotBlocking(ctx) == nil {
						t.Error("a second job is admitted")
					}
				}
				bound(t, usageOf(t, c.l.ControllerUsage(cfg, ctl.GetStatus()), name))
			})
		})
	}
}

func TestSpaceIsCounted(t *testing.T) {
	for floor, refused := range map[int]int64{1: 0, 1 << 30: 2, -1: 0} {
		s := NewSpace(FileSystemLimits{MinFreeDiskSpaceMB: floor}, t.TempDir())
		a, b := s.Check(), s.Check()
		if u := s.Usage(); u.Refused != refused || (a != nil) != (refused > 0) || (b != nil) != (refused > 0) || (u.Used > 0) != (floor > 0) || u.Limit != float64(floor) {
			t.Errorf("floor %d: %+v, %v, %v", floor, u, a, b)
		}
	}
}

// Counting costs nothing that is allocated.
func TestCountingDoesNotAllocate(t *testing.T) {
	m := meter{span: time.Second}
	rt := Transport(DefaultNetworkLimits(), slowly{})
	if n := testing.AllocsPerRun(100, func() {
		m.add(1)
		rt.traffic.timedOut("read_timeout")
		if rt.takeConnection(context.Background()) == nil {
			<-rt.inUse
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
