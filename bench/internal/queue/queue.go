// Package queue puts durable queues behind one interface, so that they can be measured side by side.
package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/rediverio/sdk/bench/internal/sample"
)

// Queue is an open queue. Put is called concurrently.
type Queue interface {
	// Put stores one payload. It returns when the payload is as durable as Kind.Durable states.
	Put(context.Context) error
	// Consume takes and acknowledges stored payloads, with the given number of consumers, until none is left or ctx ends.
	// It returns how many it took, at least one. It is called once, after the last Put.
	Consume(ctx context.Context, consumers int) (int64, error)
	Close() error
}

// Kind is one of the queues that are compared.
type Kind struct {
	Name    string
	Durable string // guarantee for a payload once Put has returned
	Synced  bool   // the payload is on disk and survives a power cut
	Open    func(dir string, p sample.Payload) (Queue, error)
}

// Ours is the name of the queue that the others are compared with.
const Ours = "ours"

// Kinds returns all queues.
func Kinds() []Kind {
	return []Kind{
		{Ours, "chunk.Manager.Put: report validated, encoded, compressed, committed to SQLite, fsync (group commit)", true, openOurs},
		{"otel-fsync", "exporterhelper + filestorage, fsync: true: bbolt transactions for item and index, fdatasync each", true, openOTel(true)},
		{"otel", "exporterhelper + filestorage, fsync: false (its default): in the page cache; lost or torn by a power cut", false, openOTel(false)},
		{"goqite", "one SQLite transaction a message, WAL, synchronous=FULL, fsync each", true, openGoqite},
		{"bbolt-batch", "bbolt db.Batch, fdatasync for each batch; no leases", true, openBolt},
		{"pebble-sync", "pebble Set with Sync: WAL fsync for each group; no leases", true, openPebble},
		{"raw", "append to one file and fdatasync each, under a mutex; neither leases nor checksums nor reuse of space", true, openRaw},
	}
}

// taker takes one payload and returns the function that acknowledges it, or nil if none is left.
type taker func(context.Context) (ack func() error, err error)

// pull implements Consume for queues from which consumers take.
func pull(ctx context.Context, consumers int, take taker) (int64, error) {
	var n atomic.Int64
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for range consumers {
		all.Go(func() {
			for first := true; first || ctx.Err() == nil; first = false {
				ack, err := take(context.WithoutCancel(ctx))
				if err == nil && ack == nil {
					return
				}
				if err == nil {
					err = ack()
				}
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	return n.Load(), errors.Join(errs...)
}
