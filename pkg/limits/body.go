package limits

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/time/rate"
)

// upload is the body of a request: each piece that is taken from it is progress.
type upload struct {
	w         *watch
	from      io.ReadCloser
	bandwidth *rate.Limiter
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.w.unreadable()
	}
	u.w.pause() // waiting for bandwidth is no lack of progress
	if e := spend(u.w.ctx, u.bandwidth, n); e != nil {
		return n, e
	}
	u.w.writing() // what was read is now to be sent, after the last piece too
	return n, err
}

func (u *upload) Close() error { return u.from.Close() }

// body is the body of a response: bounded, timed, and holding its connection until it is closed.
type body struct {
	t     *transport
	w     *watch
	from  io.ReadCloser
	limit int64 // bytes; not positive: none
	read  int64
	once  sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	if b.limit > 0 && b.read > b.limit {
		return 0, b.t.tooLarge(b.read)
	}
	b.w.reading()
	n, err := b.from.Read(p)
	b.w.stop()
	b.read += int64(n)
	if b.limit > 0 && b.read > b.limit {
		return n - int(b.read-b.limit), b.t.tooLarge(b.read)
	}
	if e := spend(b.w.ctx, b.t.bandwidth, n); e != nil && err == nil {
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

// spend waits until n bytes may pass. The limiter takes no more than its burst at once.
func spend(ctx context.Context, r *rate.Limiter, n int) error {
	for r != nil && n > 0 {
		piece := min(n, r.Burst())
		if err := r.WaitN(ctx, piece); err != nil {
			return err
		}
		n -= piece
	}
	return nil
}
