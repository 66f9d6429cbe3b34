package pool

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

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
