package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rediverio/sdk/bench/internal/sample"
)

type bolt struct {
	*bbolt.DB
	payload []byte
	mu      sync.Mutex
	last    []byte // the key that was taken last
}

var items = []byte("items")

func openBolt(dir string, p sample.Payload) (Queue, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	db.MaxBatchDelay = time.Millisecond // with the default of 10 ms a single producer would wait that long each time
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(items)
		return err
	})
	return &bolt{DB: db, payload: p.Bytes}, err
}

func (b *bolt) Put(context.Context) error {
	return b.Batch(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(items)
		n, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		return bucket.Put(binary.BigEndian.AppendUint64(nil, n), b.payload)
	})
}

func (b *bolt) Consume(ctx context.Context, consumers int) (int64, error) {
	return pull(ctx, consumers, b.take)
}

func (b *bolt) take(context.Context) (func() error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var key, value []byte
	err := b.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(items).Cursor()
		k, v := c.Seek(b.last)
		if k != nil && bytes.Equal(k, b.last) {
			k, v = c.Next()
		}
		key, value = bytes.Clone(k), bytes.Clone(v)
		return nil
	})
	if err != nil || value == nil {
		return nil, err
	}
	b.last = key
	return func() error {
		return b.Batch(func(tx *bbolt.Tx) error { return tx.Bucket(items).Delete(key) })
	}, nil
}
