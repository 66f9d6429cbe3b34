package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// httpBridge lets a connection speak to a server over HTTP. It is the connection's output and input: a request written to
// it becomes an HTTP request, whose answer is read from it as the answer of JSON-RPC.
//
// The method of a request is a path, such as "/scan", or a verb and a path, such as "GET /healthz"; the default verb is
// POST. The parameters are the body. A status of 2xx answers with the body, which must be JSON or empty; any other status is a
// ResponseError with that code.
type httpBridge struct {
	base   string // such as http://127.0.0.1:4711
	most   int    // bytes of an answer
	client *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // the requests under way

	io.Reader // the answers
	answers   *io.PipeWriter
	mu        sync.Mutex // serializes writes to answers
}

func newHTTPBridge(addr string, most int) *httpBridge {
	b := &httpBridge{base: "http://" + addr, most: most, client: &http.Client{Transport: &http.Transport{}}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.Reader, b.answers = io.Pipe()
	return b
}

// Write starts the request that frame holds.
func (b *httpBridge) Write(frame []byte) (int, error) {
	m, err := parse(frame)
	if err != nil {
		return 0, err
	}
	b.wg.Go(func() { b.exchange(m) })
	return len(frame), nil
}

// Close ends the requests under way and then the answers.
func (b *httpBridge) Close() error {
	b.cancel()
	_ = b.answers.Close() // unblocks writers of answers; it never fails
	b.wg.Wait()
	b.client.CloseIdleConnections()
	return nil
}

func (b *httpBridge) exchange(m *message) {
	result, err := b.do(m)
	var refused *ResponseError
	if err != nil && !errors.As(err, &refused) {
		_ = b.answers.CloseWithError(fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)) // the server is gone
		return
	}
	if m.ID == nil {
		return // a notification has no answer
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = b.answers.Write(Lines.frame(answer(m.ID, result, err))) // fails only after Close
}

func (b *httpBridge) do(m *message) (json.RawMessage, error) {
	verb, path := http.MethodPost, m.Method
	if before, after, ok := strings.Cut(m.Method, " "); ok {
		verb, path = before, after
	}
	req, err := http.NewRequestWithContext(b.ctx, verb, b.base+path, bytes.NewReader(m.Params))
	if err != nil {
		return nil, &ResponseError{Code: codeMethodNotFound, Message: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(b.most)+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &ResponseError{Code: int64(resp.StatusCode), Message: strings.TrimSpace(string(body[:min(len(body), 512)]))}
	}
	var compact bytes.Buffer // an answer is one line
	switch {
	case len(body) > b.most:
		return nil, &ResponseError{Code: codeInternal, Message: (&errSize{len(body), b.most}).Error()}
	case len(bytes.TrimSpace(body)) == 0:
		return json.RawMessage("null"), nil
	}
	if err := json.Compact(&compact, body); err != nil {
		return nil, &ResponseError{Code: codeInternal, Message: fmt.Sprintf("the answer is not JSON: %v", err)}
	}
	return compact.Bytes(), nil
}
