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

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// ClientConfig says where a Client sends to, and as whom. BaseURL is required; any other zero field means its
// default.
type ClientConfig struct {
	BaseURL string // http or https, may have a path; required

	Token string // bearer token; empty: none is sent, unless TokenSource is set
	// TokenSource gives the token instead of Token. It is called before the first request and once more for each
	// request that is answered 401, so a token that is renewed in its file is picked up. One call at a time.
	TokenSource func(ctx context.Context) (string, error)

	AgentID   string // sent as X-Agent-ID; empty: not sent
	UserAgent string // default DefaultUserAgent
	Paths     Paths  // zero: the platform's

	// HTTPClient is used instead of one of our own, e.g. for a proxy or a private CA. It is copied. A nil
	// CheckRedirect follows 307 and 308 within the same host alone.
	HTTPClient *http.Client

	MaxResponseBytes int64         // largest answer, after decompression; default DefaultMaxResponseBytes
	MaxRetryAfter    time.Duration // cap of what a server may ask to wait; default DefaultMaxRetryAfter
}

// The defaults of ClientConfig.
const (
	DefaultUserAgent        = "rediver-sdk/1.0"
	DefaultMaxResponseBytes = 64 << 20
	DefaultMaxRetryAfter    = 15 * time.Minute
)

// Validate returns every problem of the configuration in one error.
func (c ClientConfig) Validate() error {
	var errs []error
	if u, err := url.Parse(c.BaseURL); err != nil {
		errs = append(errs, fmt.Errorf("base_url: %w", err))
	} else if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, fmt.Errorf("base_url %q: want http(s)://host[:port][/path] without user, query and fragment", u.Redacted()))
	}
	if strings.ContainsFunc(c.Token, wire.NotTokenRune) {
		errs = append(errs, errors.New("token: holds a space or a control character"))
	}
	if c.Token != "" && c.TokenSource != nil {
		errs = append(errs, errors.New("token and token_source are both set: want one"))
	}
	if strings.ContainsFunc(c.AgentID, wire.NotTokenRune) {
		errs = append(errs, fmt.Errorf("agent_id %q: holds a space or a control character", c.AgentID))
	}
	if c.MaxResponseBytes < 0 {
		errs = append(errs, fmt.Errorf("max_response_bytes: %d is under 0", c.MaxResponseBytes))
	}
	if c.MaxRetryAfter < 0 {
		errs = append(errs, fmt.Errorf("max_retry_after: %s is under 0", c.MaxRetryAfter))
	}
	return errors.Join(errs...)
}

// Client speaks the platform's protocol. It has no goroutine of its own and needs no Close; all methods may be
// called concurrently. Every failure is an *Error.
type Client struct {
	cfg   ClientConfig
	base  string // without a trailing slash
	http  *http.Client
	token tokenCache
}

// NewClient returns a Client for cfg.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Paths = cfg.Paths.withDefaults()
	if cfg.UserAgent == "" {
		cfg.UserAgent = DefaultUserAgent
	}
	if cfg.MaxResponseBytes == 0 {
		cfg.MaxResponseBytes = DefaultMaxResponseBytes
	}
	if cfg.MaxRetryAfter == 0 {
		cfg.MaxRetryAfter = DefaultMaxRetryAfter
	}
	return &Client{
		cfg: cfg, base: strings.TrimRight(cfg.BaseURL, "/"), http: httpClient(cfg.HTTPClient),
		token: newTokenCache(cfg.Token, cfg.TokenSource),
	}, nil
}

func httpClient(given *http.Client) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	}
	if c.Transport == nil {
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			t = t.Clone()
			t.MaxIdleConnsPerHost = 16 // parts go out concurrently, to one host
			c.Transport = t
		}
	}
	if c.CheckRedirect == nil {
		c.CheckRedirect = sameHost
	}
	return &c
}

// sameHost follows a redirect only where neither token nor report can leak and a POST stays a POST.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close closes idle connections. The Client may be used again afterwards.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request; open gives its body anew for a repeat, nil for none.
type call struct {
	method, path string
	header       http.Header
	open         func() io.Reader
	size         int64
}

// do sends a call and returns the body of a successful answer. It repeats once, with a new token, after a 401.
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
		if errors.As(err, &ue) { // its text repeats the URL
			err = ue.Err
		}
		return nil, nil, &Error{Op: op, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusalBytes)) // the status alone decides; the words are extra
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

// maxRefusalBytes is how much of a refusal is read, so that the connection can be used again.
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
