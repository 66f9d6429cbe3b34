package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest"
)

func newAdmission(maxBytes int64, requests, decoders int) *admission {
	return &admission{max: maxBytes, requests: requests, decoders: decoders, tenants: map[string]*usage{}}
}

// A tenant with much in flight leaves room for other tenants, and released memory is free again.
func TestFloodOfOneTenantLeavesRoom(t *testing.T) {
	a := newAdmission(1000, 100, 1)
	var rooms []*reservation
	flood := func(tenant string) (n int64) {
		for {
			r, err := a.reserve(tenant, 10)
			if busy := new(busyError); errors.As(err, &busy) {
				return n
			}
			rooms = append(rooms, r)
			n += 10
		}
	}
	first, second, third := flood("a"), flood("b"), flood("c")
	if first != 500 || second != 250 || third != 120 {
		t.Errorf("%d, %d and %d bytes, want 500, 250 and 120", first, second, third)
	}
	if r, err := a.reserve("d", 100); err != nil {
		t.Errorf("a tenant with nothing in flight: %v", err)
	} else if !r.resize(20) || r.resize(2000) {
		t.Error("resize")
	} else {
		r.release()
	}
	for _, r := range rooms {
		r.release()
	}
	if a.inFlight != 0 || len(a.tenants) != 0 {
		t.Errorf("%d bytes of %d tenants left", a.inFlight, len(a.tenants))
	}
	a.requests = 3
	if n := flood("a"); n != 30 {
		t.Errorf("%d bytes in 3 requests", n)
	}
}

func TestDecodersGoRoundTheTenants(t *testing.T) {
	a := newAdmission(1, 1, 1)
	hold, err := a.decoder(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []string
	var wg sync.WaitGroup
	wait := func(tenant string) {
		wg.Go(func() {
			done, err := a.decoder(context.Background(), tenant)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, tenant)
			mu.Unlock()
			done()
			done()
		})
	}
	waiting := func(n int) {
		testkit.Eventually(t, fmt.Sprint(n, " requests wait for a decoder"), func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.waiting.Len() == n
		})
	}
	for range 50 {
		wait("flood")
	}
	waiting(50)
	wait("b")
	waiting(51)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.decoder(gone, "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("a sender that is gone: %v", err)
	}
	hold()
	wg.Wait()
	if at := slices.Index(order, "b"); at > 1 || len(order) != 51 {
		t.Errorf("b came after %d of the flood", at)
	}
	if a.decoders != 1 {
		t.Errorf("%d decoders free, want 1", a.decoders)
	}
}

// While one tenant sends as much as it can, the parts of another tenant are accepted without a refusal.
func TestFloodDoesNotStarveAnotherTenant(t *testing.T) {
	store, url := newServer(t, func(c *HandlerConfig) {
		c.Limits = Limits{MaxInFlightBytes: 256 << 10, MaxCompressedBytes: 48 << 10, MaxRequests: 16, MaxDecoders: 1}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var refused atomic.Int64
	body := `{"findings":[` + strings.Repeat(`{"title":"x"},`, 300) + `{"title":"y"}]}`
	started := make(chan struct{}, 1000)
	for range 32 {
		flood.Go(func() {
			for ctx.Err() == nil {
				req, _ := http.NewRequestWithContext(ctx, "POST", url+ingest.DefaultIngestPath, strings.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+tokenA)
				if resp, err := http.DefaultClient.Do(req); err == nil {
					if resp.StatusCode == http.StatusTooManyRequests {
						refused.Add(1)
					}
					resp.Body.Close()
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 64 {
		<-started
	}
	c := newClient(t, url, tokenB)
	for i := range 20 {
		upload(t, c, split(t, sample(fmt.Sprint("r", i), 20), 100)[0])
	}
	cancel()
	flood.Wait()
	if st, err := store.Tenant("b").Stats(t.Context()); err != nil || st.Parts != 20 || st.Rejected != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	if refused.Load() == 0 {
		t.Error("the flood was none")
	}
}
