package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
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

// read handles what the server sends until the connection fails. Its input must be closed then, for it to return.
func (c *conn) read() {
	for {
		b, err := c.in.next()
		if err != nil {
			c.fail(readCause(err), err)
			return
		}
		if len(b) == 0 {
			c.unsolicited()
		} else if m, err := parse(b); err != nil {
			c.fail(Garbage, err)
		} else if err := c.take(m); err != nil {
			c.fail(Garbage, err)
		}
		if c.hasFailed() {
			return
		}
	}
}

func readCause(err error) Cause {
	var size *errSize
	switch {
	case errors.As(err, &size):
		return TooLarge
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isReset(err):
		return Crash
	}
	return Garbage
}

// write sends what is queued until the connection fails.
func (c *conn) write() {
	for {
		select {
		case b := <-c.queue:
			if b == nil {
				_ = closeWrite(c.out) // the server is ended either way
				return
			}
			if _, err := c.out.Write(b); err != nil {
				c.fail(Crash, err)
				return
			}
		case <-c.failed:
			return
		}
	}
}

// closeWrite lets the server see the end of its input, and still answer.
func closeWrite(out io.WriteCloser) error {
	if half, ok := out.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return out.Close()
}

// isReset says whether the server's end is gone, or ours was closed because it is.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed)
}

// take handles one message.
func (c *conn) take(m *message) error {
	if m.isCall() {
		c.unsolicited()
		result, err := c.handle(m)
		if m.ID == nil {
			return nil
		}
		select {
		case c.queue <- c.cfg.Framing.frame(answer(m.ID, result, err)):
		default: // it asks and does not read
			c.fail(Flood, fmt.Errorf("it asks more than it takes answers"))
		}
		return nil
	}
	id, err := m.callID()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	waiter, ok := c.pending[id]
	if !ok {
		return fmt.Errorf("an answer to call %d, which is not open", id)
	}
	c.forget(id)
	c.alone = 0
	if waiter != nil {
		waiter <- m // it has room for one
	}
	return nil
}

// unsolicited counts a message that nobody asked for.
func (c *conn) unsolicited() {
	c.mu.Lock()
	c.alone++
	n := c.alone
	c.mu.Unlock()
	if n > c.cfg.MaxUnsolicited {
		c.fail(Flood, fmt.Errorf("%d messages between two answers", n))
	}
}

func (c *conn) handle(m *message) (result any, err error) {
	if c.cfg.Handle == nil {
		return nil, &ResponseError{Code: codeMethodNotFound, Message: "method not found"}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handle %s: panic: %v", m.Method, r)
		}
	}()
	return c.cfg.Handle(m.Method, m.Params)
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
