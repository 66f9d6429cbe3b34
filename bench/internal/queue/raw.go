package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/rediverio/sdk/bench/internal/sample"
)

// raw measures the disk itself without group commit: each record and each acknowledgement is one append and one sync.
type raw struct {
	payload    []byte
	mu         sync.Mutex
	data, acks *os.File
	stored     int64
	next       int64
}

func openRaw(dir string, p sample.Payload) (Queue, error) {
	data, err := os.Create(filepath.Join(dir, "data"))
	if err != nil {
		return nil, err
	}
	acks, err := os.Create(filepath.Join(dir, "acks"))
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	return &raw{payload: p.Bytes, data: data, acks: acks}, nil
}

func (r *raw) Put(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.data.Write(r.payload); err != nil {
		return err
	}
	r.stored++
	return datasync(r.data)
}

func (r *raw) Consume(ctx context.Context, consumers int) (int64, error) {
	return pull(ctx, consumers, r.take)
}

func (r *raw) take(context.Context) (func() error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == r.stored {
		return nil, nil
	}
	n := r.next
	r.next++
	if _, err := r.data.ReadAt(make([]byte, len(r.payload)), n*int64(len(r.payload))); err != nil {
		return nil, err
	}
	return func() error { return r.ack(n) }, nil
}

func (r *raw) ack(n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.acks.Write(binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
		return err
	}
	return datasync(r.acks)
}

func (r *raw) Close() error { return errors.Join(r.data.Close(), r.acks.Close()) }
