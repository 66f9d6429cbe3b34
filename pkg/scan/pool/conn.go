package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
)

// conn is a JSON-RPC connection to a server. Its first failure ends it: what was written is not known then, nor what
// comes next.
type conn struct {
	cfg    *Config
	in     *frames
	out    io.WriteCloser
	queue  chan []byte   // for the writer; nil: it closes the output and ends
	failed chan struct{} // closed by the first failure

	mu      sync.Mutex
	err     error // why it failed; set before failed is closed
	cause   Cause
	last    int64                   // call
	pending map[int64]chan *message // nil: nobody waits any more, the answer is dropped
	quiet   chan struct{}           // closed while nothing is pending
	alone   int                     // messages since the last answer
}

// queued is how many messages wait for the writer.
const queued = 16

func newConn(cfg *Config, in io.Reader, out io.WriteCloser) *conn {
	c := &conn{
		cfg: cfg, in: newFrames(in, cfg.Framing, cfg.MaxMessageBytes), out: out, queue: make(chan []byte, queued), failed: make(chan struct{}),
		pending: map[int64]chan *message{}, quiet: make(chan struct{}),
	}
	close(c.quiet)
	return c
}

// call sends a request and waits for its answer. When ctx is done first, the answer is dropped when it comes.
func (c *conn) call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	c.mu.Lock()
	c.last++
	id := c.last
	c.mu.Unlock()
	b, err := c.encode(json.RawMessage(strconv.FormatInt(id, 10)), method, params)
	if err != nil {
		return nil, err
	}
	waiter := make(chan *message, 1)
	c.mu.Lock()
	c.pending[id] = waiter
	if len(c.pending) == 1 {
		c.quiet = make(chan struct{})
	}
	c.mu.Unlock()
	if err := c.enqueue(ctx, b); err != nil {
		c.mu.Lock()
		c.forget(id) // it was never sent
		c.mu.Unlock()
		return nil, err
	}
	select {
	case m := <-waiter:
		return m.Result, m.err()
	case <-c.failed:
	case <-ctx.Done():
		c.mu.Lock()
		if _, open := c.pending[id]; open {
			c.pending[id] = nil
		}
		c.mu.Unlock()
	}
	select { // the answer may have come before
	case m := <-waiter:
		return m.Result, m.err()
	default:
		return nil, c.whyNot(ctx)
	}
}

func (m *message) err() error {
	if m.Error == nil {
		return nil
	}
	return m.Error
}

// notify sends a notification.
func (c *conn) notify(ctx context.Context, method string, params any) error {
	b, err := c.encode(nil, method, params)
	if err != nil {
		return err
	}
	return c.enqueue(ctx, b)
}

func (c *conn) encode(id json.RawMessage, method string, params any) ([]byte, error) {
	b, err := call(id, method, params)
	if err == nil && len(b) > c.cfg.MaxMessageBytes {
		err = fmt.Errorf("%s: %w", method, &errSize{len(b), c.cfg.MaxMessageBytes})
	}
	if err != nil {
		return nil, err
	}
	return c.cfg.Framing.frame(b), nil
}

func (c *conn) enqueue(ctx context.Context, b []byte) error {
	select {
	case <-c.failed:
		return c.whyNot(ctx)
	default:
	}
	select {
	case c.queue <- b:
		return nil
	case <-c.failed:
	case <-ctx.Done():
	}
	return c.whyNot(ctx)
}

// forget closes a call, if it is open. c.mu is held.
func (c *conn) forget(id int64) {
	if _, open := c.pending[id]; !open {
		return // a server may answer before it was asked
	}
	delete(c.pending, id)
	if len(c.pending) == 0 {
		close(c.quiet)
	}
}

// settled is closed while no call is open.
func (c *conn) settled() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quiet
}

// fail ends the connection. Only the first cause counts.
func (c *conn) fail(cause Cause, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == "" {
		c.cause, c.err = cause, err
		close(c.failed)
	}
}

func (c *conn) hasFailed() bool {
	select {
	case <-c.failed:
		return true
	default:
		return false
	}
}

// failure returns why the connection failed; an empty cause when it has not.
func (c *conn) failure() (Cause, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause, c.err
}

// errConn says that the connection failed.
var errConn = errors.New("the connection failed")

func (c *conn) whyNot(ctx context.Context) error {
	if c.hasFailed() {
		return errConn
	}
	return context.Cause(ctx)
}
