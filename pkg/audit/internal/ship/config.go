package ship

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rediverio/sdk/pkg/event"
)

// DefaultPath is the path of a RemoteEndpoint that names none: that of pkg/ingest.
const DefaultPath = "/api/v1/agent/audit"

// Config describes the log that is sent, and where to.
type Config struct {
	Endpoint    string            // URL of the collector; without a path it gets DefaultPath
	Transport   http.RoundTripper // nil: one like http.DefaultTransport
	Token       TokenSource       // nil: no token is sent
	AgentID     string
	Path        string // current file of the log
	MaxUnsentMB int    // MiB of rotated files that Keep keeps for the collector; -1: any

	Head   func() uint64            // number of the last line on disk
	Record func(event.Event)        // takes the events about sending
	Redact func(text string) string // removes secrets from a text of the collector
}

// TokenSource gives the bearer token for a collector. It is asked before each request, by one goroutine at a time, so a token
// that is renewed is picked up.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// CheckEndpoint returns an error if endpoint cannot be the URL of a collector.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("want http(s)://host[:port][/path] without user, query and fragment")
	}
	return nil
}

// remoteURL adds the path where the endpoint has none.
func remoteURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Path != "" && u.Path != "/" {
		return endpoint
	}
	return strings.TrimSuffix(endpoint, "/") + DefaultPath
}

// remoteClient follows no redirect: neither token nor log go where the configuration did not say.
func remoteClient(t http.RoundTripper) *http.Client {
	if own, ok := http.DefaultTransport.(*http.Transport); ok && t == nil {
		t = own.Clone() // its connections end with the log
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
