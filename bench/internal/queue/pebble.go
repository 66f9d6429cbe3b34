package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/rediverio/sdk/bench/internal/sample"
)

type pebbled struct {
	*pebble.DB
	payload []byte
	n       atomic.Uint64
	mu      sync.Mutex
	scan    *pebble.Iterator // over the payloads stored before the first take
}

// quiet drops pebble's log lines.
type quiet struct{ pebble.Logger }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

func openPebble(dir string, p sample.Payload) (Queue, error) {
	db, err := pebble.Open(filepath.Join(dir, "pebble"), &pebble.Options{Logger: quiet{pebble.DefaultLogger}})
	if err != nil {
		return nil, err
	}
	return &pebbled{DB: db, payload: p.Bytes}, nil
}

func (p *pebbled) Put(context.Context) error {
	return p.Set(binary.BigEndian.AppendUint64(nil, p.n.Add(1)), p.payload, pebble.Sync)
}

func (p *pebbled) Consume(ctx context.Context, consumers int) (n int64, err error) {
	if p.scan, err = p.NewIter(nil); err != nil {
		return 0, err
	}
	p.scan.First()
	n, err = pull(ctx, consumers, p.take)
	return n, errors.Join(err, p.scan.Close())
}

func (p *pebbled) take(context.Context) (func() error, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.scan.Valid() {
		return nil, p.scan.Error()
	}
	value, err := p.scan.ValueAndErr()
	if err != nil {
		return nil, err
	}
	_ = bytes.Clone(value) // as a consumer would hold it
	key := bytes.Clone(p.scan.Key())
	p.scan.Next()
	return func() error { return p.Delete(key, pebble.Sync) }, nil
}
