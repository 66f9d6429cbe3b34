package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// socketHost is the Host of requests over a unix socket.
const socketHost = "agent"

const (
	maxAnswer = 64 << 20         // bytes of a JSON answer
	timeout   = 10 * time.Second // for a JSON answer of another process
)

// Client calls the HTTP interface of an agent.
type Client struct {
	base    string
	http    http.Client
	timeout time.Duration // for a JSON answer; 0: none
}

// Dial returns a client of the agent that listens on addr. It connects with the first call.
func Dial(addr string) *Client {
	if !isSocket(addr) {
		return &Client{base: "http://" + addr, timeout: timeout}
	}
	return newClient(timeout, func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", addr) })
}

// Local returns a client of handler in this process. The function ends it.
func Local(handler http.Handler) (*Client, func() error) {
	l := pipes{make(chan net.Conn), make(chan struct{})}
	s := Serve(l, handler)
	return newClient(0, l.dial), s.Stop
}

func newClient(timeout time.Duration, dial func(context.Context) (net.Conn, error)) *Client {
	c := &Client{base: "http://" + socketHost, timeout: timeout}
	c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	return c
}

// Get reads a JSON answer into v.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	return c.stream(ctx, http.MethodGet, path, func(body io.Reader) error {
		return json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(v)
	})
}

// Post is like Get for a request that changes something. It has no timeout: the change may take long.
func (c *Client) Post(ctx context.Context, path string, v any) error {
	return c.stream(ctx, http.MethodPost, path, func(body io.Reader) error { return json.NewDecoder(body).Decode(v) })
}

// Copy copies the body of a successful answer to w, without a timeout.
func (c *Client) Copy(ctx context.Context, path string, w io.Writer) error {
	return c.stream(ctx, http.MethodGet, path, func(body io.Reader) error {
		_, err := io.Copy(w, body)
		return err
	})
}

// stream hands the body of a successful answer to read.
func (c *Client) stream(ctx context.Context, method, path string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		return read(res.Body)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	var e struct{ Error string }
	if json.Unmarshal(b, &e) != nil {
		e.Error = res.Status + ": " + string(bytes.TrimSpace(b[:min(len(b), 200)]))
	}
	return errors.New(cmp.Or(e.Error, res.Status))
}

// pipes is a listener whose connections do not leave the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close is called once, by the server.
func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: socketHost, Net: "unix"} }
