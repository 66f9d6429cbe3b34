package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
)

// noise returns a report of about size bytes that does not compress.
func noise(size int, seed uint64) []byte {
	rnd := rand.New(rand.NewPCG(seed, 3))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b bytes.Buffer
	b.WriteString(`{"version":"1.0","metadata":{},"tool":{"name":"noise"},"findings":[`)
	text := make([]byte, 8<<10)
	for i := 0; b.Len() < size; i++ {
		for k := range text {
			text[k] = letters[rnd.IntN(64)]
		}
		fmt.Fprintf(&b, `{"type":"secret","title":"t","severity":"low","fingerprint":"%d-%d","message":%q},`, seed, i, text)
	}
	return append(bytes.TrimSuffix(b.Bytes(), []byte(",")), "]}"...)
}

// The bodies of these uploads are ten times as large as the limit of bytes in flight: uploads without room get 429 with
// Retry-After, none is lost, and the memory stays within the limits.
func TestManyLargeUploadsAtOnce(t *testing.T) {
	const bodies = 4 << 20
	peak, busy := manyUploads(t, 64, 512<<10, bodies)
	// The memory that the limits allow, as much again that is not collected yet, and the memory of SQLite and of connections.
	bound := uint64(2*(bodies+2*(1<<20+8<<20)) + 32<<20)
	if peak > bound || busy == 0 {
		t.Errorf("peak %d MB, bound %d MB; %d answers with 429", peak>>20, bound>>20, busy)
	}
}

// BenchmarkLargeUploads measures the peak of the heap, over idle, under 64 uploads of 10 MB at once.
func BenchmarkLargeUploads(b *testing.B) {
	for b.Loop() {
		peak, busy := manyUploads(b, 64, 10<<20, 64<<20)
		b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
		b.ReportMetric(float64(busy), "refused")
	}
}

// manyUploads uploads reports of size bytes concurrently, and again until each is stored. It returns the peak growth of the heap
// and the number of answers with 429.
func manyUploads(t testing.TB, uploads, size int, bodies int64) (peak uint64, busy int64) {
	store, url := newServer(t, func(c *HandlerConfig) {
		c.Limits = Limits{MaxInFlightBytes: bodies, MaxDecoders: 2, MaxCompressedBytes: int64(size), MaxDecompressedBytes: 2 * int64(size)}
	})
	data := codec.Compress(nil, noise(size-64<<10, 1), 1)
	stop, watched := make(chan struct{}), make(chan uint64)
	go func() { watched <- watchHeap(stop) }()
	var all sync.WaitGroup
	var refused atomic.Int64
	for i := range uploads {
		c := newClient(t, url, tokenA)
		all.Go(func() {
			p := &part.Part{Key: fmt.Sprintf("key-%d", i), ReportID: fmt.Sprintf("r%d", i), Total: 1, Encoding: codec.Zstd, Data: data}
			for {
				_, err := c.Upload(context.Background(), p)
				e := new(ingest.Error)
				switch {
				case err == nil:
					return
				case !errors.As(err, &e) || !e.Unavailable():
					t.Error(err)
					return
				case e.Status != 0 && (e.Status != http.StatusTooManyRequests || e.RetryAfter() == 0 || e.Code != ingest.CodeTooMany):
					t.Errorf("%v, retry after %v", e, e.RetryAfter())
					return
				case e.Status != 0:
					refused.Add(1)
				}
				time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond)))) // a real sender would wait for Retry-After
			}
		})
	}
	all.Wait()
	close(stop)
	peak = <-watched
	if st, err := store.Tenant("a").Stats(context.Background()); err != nil || int(st.Parts) != uploads || st.Rejected != 0 {
		t.Errorf("stats %+v, %v", st, err)
	}
	return peak, refused.Load()
}

// watchHeap returns the peak growth of the heap until stop is closed.
func watchHeap(stop <-chan struct{}) (peak uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	idle := m.HeapInuse
	for {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse-min(m.HeapInuse, idle))
		select {
		case <-stop:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}
