package audit

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// DefaultRemotePath is the path of a RemoteEndpoint that names none: that of pkg/ingest.
const DefaultRemotePath = "/api/v1/agent/audit"

// TokenSource gives the bearer token for a collector. It is asked before each request, by one goroutine at a time, so a token
// that is renewed is picked up.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// validateRemote returns what is wrong with sending to a collector.
func (c LoggerConfig) validateRemote() (errs []error) {
	if c.MaxUnsentMB < -1 || c.MaxUnsentMB > 1<<20 {
		errs = append(errs, fmt.Errorf("MaxUnsentMB: %d is outside 1 to %d (or -1: off)", c.MaxUnsentMB, 1<<20))
	}
	if c.RemoteEndpoint == "" {
		return errs
	}
	u, err := url.Parse(c.RemoteEndpoint)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("RemoteEndpoint: %q is no URL", redact(c.RemoteEndpoint)))
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		errs = append(errs, fmt.Errorf("RemoteEndpoint: %q: want http(s)://host[:port][/path] without user, query and fragment", redact(c.RemoteEndpoint)))
	}
	if c.AgentID == "" || strings.ContainsFunc(c.AgentID, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		errs = append(errs, fmt.Errorf("AgentID: %q: RemoteEndpoint needs one of printable ASCII without spaces", c.AgentID))
	}
	return errs
}

// remoteURL adds the path where the endpoint has none.
func remoteURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Path != "" && u.Path != "/" {
		return endpoint
	}
	return strings.TrimSuffix(endpoint, "/") + DefaultRemotePath
}

// remoteClient follows no redirect: neither token nor log go where the configuration did not say.
func remoteClient(t http.RoundTripper) *http.Client {
	if own, ok := http.DefaultTransport.(*http.Transport); ok && t == nil {
		t = own.Clone() // its connections end with the log
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
