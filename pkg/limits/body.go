package limits

import (
	"errors"
	"io"
	"sync"
)

// upload is the body of a request: each piece that is taken from it is progress.
type upload struct {
	t    *RoundTripper
	w    *watch
	from io.ReadCloser
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.w.unreadable()
	}
	u.w.pause() // waiting for bandwidth is no lack of progress
	if e := u.t.spend(u.w.ctx, n); e != nil {
		return n, e
	}
	u.w.writing() // what was read is now to be sent, after the last piece too
	return n, err
}

func (u *upload) Close() error { return u.from.Close() }

// body is the body of a response: bounded, timed, and holding its connection until it is closed.
type body struct {
	t     *RoundTripper
	w     *watch
	from  io.ReadCloser
	limit int64 // bytes; not positive: none
	read  int64
	over  error // the body is larger than limit
	once  sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	if b.limit > 0 && b.read > b.limit {
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
	if e := b.t.spend(b.w.ctx, n); e != nil && err == nil {
		err = e
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.w.explain(err)
	}
	return n, err
}

// Close gives the connection back. It is safe twice.
func (b *body) Close() error {
	err := b.from.Close()
	b.once.Do(func() { b.t.leave(b.w) })
	return err
}
