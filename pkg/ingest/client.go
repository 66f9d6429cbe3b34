package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// ClientConfig configures a Client. BaseURL is required; every other zero field means its default.
type ClientConfig struct {
	// BaseURL is the address of the server: http or https, a host, optionally a port and a path.
	BaseURL string

	// Token is the bearer token. If it and TokenSource are empty, requests carry none.
	Token string

	// TokenSource returns the token in place of Token. It is called before the first request and once more for a request
	// that is answered with 401, so that a token renewed in its file is used. It is never called concurrently.
	TokenSource func(ctx context.Context) (string, error)

	// AgentID is sent with every request as X-Agent-ID. Empty sends none.
	AgentID string

	// UserAgent is sent with every request. Defaults to DefaultUserAgent.
	UserAgent string

	// Paths are the routes of the server. Zero fields are the routes of the platform.
	Paths Paths

	// HTTPClient is used in place of the default client, for example for a proxy or a private certificate authority. It is
	// copied. A nil CheckRedirect is replaced by one that follows 307 and 308 within the same host alone.
	HTTPClient *http.Client

	// MaxResponseBytes is the largest answer that is read, in bytes after decompression. Defaults to DefaultMaxResponseBytes.
	MaxResponseBytes int64

	// MaxRetryAfter is the longest wait that a server may ask for. Defaults to DefaultMaxRetryAfter.
	MaxRetryAfter time.Duration
}

// The defaults of ClientConfig.
const (
	DefaultUserAgent        = "rediver-sdk/1.0"
	DefaultMaxResponseBytes = 64 << 20
	DefaultMaxRetryAfter    = 15 * time.Minute
)

func (c ClientConfig) withDefaults() ClientConfig {
	c.Paths = c.Paths.withDefaults()
	config.Default(&c.UserAgent, DefaultUserAgent)
	config.Default(&c.MaxResponseBytes, DefaultMaxResponseBytes)
	config.Default(&c.MaxRetryAfter, DefaultMaxRetryAfter)
	return c
}

// Validate returns every problem of the configuration in one error. Settings are named as in the section server of an
// agent's configuration file.
func (c ClientConfig) Validate() error {
	v := config.New("server")
	if u, err := url.Parse(c.BaseURL); err != nil {
		v.Addf("url", "%v", err)
	} else if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		v.Addf("url", "%q: want http(s)://host[:port][/path] without user, query and fragment", u.Redacted())
	}
	if strings.ContainsFunc(c.Token, wire.NotTokenRune) {
		v.Addf("token", "contains a space or a control character")
	}
	if c.Token != "" && c.TokenSource != nil {
		v.Addf("token", "is set together with a token source: set one of them")
	}
	if err := CheckAgentID(c.AgentID); err != nil {
		v.Addf("agent_id", "%v", err)
	}
	c = c.withDefaults()
	config.Range(v, "max_response_bytes", c.MaxResponseBytes, 1, 1<<40)
	config.Range(v, "max_retry_after", c.MaxRetryAfter, time.Millisecond, 365*24*time.Hour)
	return v.Err()
}

// CheckAgentID returns an error if id cannot be sent as the name of an agent.
func CheckAgentID(id string) error {
	if strings.ContainsFunc(id, wire.NotTokenRune) {
		return fmt.Errorf("%q contains a space or a character that is not ASCII", id)
	}
	return nil
}

// Client is the agent's side of the protocol. It has no goroutines. All methods may be called concurrently, and every
// error is an *Error.
type Client struct {
	cfg   ClientConfig
	base  string // without a trailing slash
	http  *http.Client
	token tokenCache
}

// NewClient returns a Client, or the error of ClientConfig.Validate.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Client{
		cfg: cfg, base: strings.TrimRight(cfg.BaseURL, "/"), http: httpClient(cfg.HTTPClient),
		token: newTokenCache(cfg.Token, cfg.TokenSource),
	}, nil
}

// httpClient returns a copy of given, or a client of our own if given is nil.
func httpClient(given *http.Client) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	}
	if c.Transport == nil {
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			t = t.Clone()
			t.MaxIdleConnsPerHost = 16 // parts are sent to one host concurrently
			c.Transport = t
		}
	}
	if c.CheckRedirect == nil {
		c.CheckRedirect = sameHost
	}
	return &c
}

// sameHost follows a redirect only to the same host and with the same method, so that neither token nor report leaks.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close closes idle connections. The Client may be used again afterwards.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request. open returns its body, again for each attempt; nil means no body.
type call struct {
	method, path string
	header       http.Header
	open         func() io.Reader
	size         int64
}

// do sends a call and returns the body of a successful answer. After a 401 it tries once more with a new token.
func (c *Client) do(ctx context.Context, rq call) ([]byte, http.Header, error) {
	op := rq.method + " " + rq.path
	if i := strings.IndexByte(op, '?'); i >= 0 {
		op = op[:i]
	}
	token, err := c.token.get(ctx, "")
	if err != nil {
		return nil, nil, &Error{Op: op, Code: CodeNoToken, Err: err}
	}
	body, header, err := c.once(ctx, op, rq, token)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || c.cfg.TokenSource == nil {
		return body, header, err
	}
	fresh, terr := c.token.get(ctx, token)
	if terr != nil {
		e.Err = terr
		return nil, nil, e
	}
	if fresh == token {
		return nil, nil, e
	}
	return c.once(ctx, op, rq, fresh)
}

func (c *Client) once(ctx context.Context, op string, rq call, token string) ([]byte, http.Header, error) {
	req, err := c.request(ctx, rq, token)
	if err != nil {
		return nil, nil, &Error{Op: op, Code: CodeInvalidPart, Err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text would repeat the URL
			err = ue.Err
		}
		return nil, nil, &Error{Op: op, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusalBytes)) // the status decides; the body only explains it
		return nil, nil, c.statusError(op, resp, body)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxResponseBytes+1))
	if err != nil {
		return nil, nil, &Error{Op: op, Err: fmt.Errorf("read answer: %w", err)}
	}
	if int64(len(body)) > c.cfg.MaxResponseBytes {
		return nil, nil, &Error{Op: op, Status: resp.StatusCode, Code: CodeBadAnswer,
			Message: fmt.Sprintf("answer is over max_response_bytes %d", c.cfg.MaxResponseBytes)}
	}
	return body, resp.Header, nil
}

// maxRefusalBytes bounds how much of a refusal is read. Reading it to the end lets the connection be reused.
const maxRefusalBytes = 64 << 10

func (c *Client) request(ctx context.Context, rq call, token string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, rq.method, c.base+rq.path, nil)
	if err != nil {
		return nil, err
	}
	if rq.open != nil {
		req.Body, req.ContentLength = io.NopCloser(rq.open()), rq.size
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(rq.open()), nil }
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range rq.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.cfg.AgentID != "" {
		req.Header.Set(wire.HeaderAgent, c.cfg.AgentID)
	}
	return req, nil
}
