package transport

import (
	"errors"
	"io"
	"sync"
)

// requestBody is the body of a request. Each piece that is read from it counts as progress.
type requestBody struct {
	t    *RoundTripper
	w    *watch
	from io.ReadCloser
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.w.bodyFailed()
	}
	b.w.pause() // waiting for bandwidth is not a lack of progress
	if e := b.t.throttle(b.w.ctx, n); e != nil {
		return n, e
	}
	b.w.writing() // the piece is sent next, after the last one too
	return n, err
}

func (b *requestBody) Close() error { return b.from.Close() }

// responseBody is the body of a response. It is bounded in size, its reads are timed, and it occupies its connection until
// it is closed.
type responseBody struct {
	t     *RoundTripper
	w     *watch
	from  io.ReadCloser
	limit int64 // bytes; not positive: unlimited
	read  int64
	over  error // set once the body is larger than limit
	once  sync.Once
}

func (b *responseBody) Read(p []byte) (int, error) {
	if b.over != nil {
		return 0, b.over
	}
	b.w.reading()
	n, err := b.from.Read(p)
	b.w.stop()
	b.read += int64(n)
	raise(&b.t.traffic.largest, b.read)
	if b.limit > 0 && b.read > b.limit {
		b.over = b.t.tooLarge(b.read)
		return n - int(b.read-b.limit), b.over
	}
	if e := b.t.throttle(b.w.ctx, n); e != nil && err == nil {
		err = e
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.w.explain(err)
	}
	return n, err
}

// Close releases the connection. It may be called more than once.
func (b *responseBody) Close() error {
	err := b.from.Close()
	b.once.Do(func() { b.t.release(b.w) })
	return err
}
