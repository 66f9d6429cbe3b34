package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answering serves every request with f and returns a client for it.
func answering(t *testing.T, cfg ClientConfig, f http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	cfg.BaseURL = srv.URL
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestStatusClasses(t *testing.T) {
	type class struct{ permanent, unauthorized, unavailable bool }
	permanent, auth, away, again := class{permanent: true}, class{unauthorized: true}, class{unavailable: true}, class{}
	want := map[int]class{
		301: away, 302: away, 307: away, 308: away,
		400: permanent, 401: auth, 403: auth, 404: permanent, 405: permanent, 408: again, 409: permanent,
		410: permanent, 413: permanent, 415: permanent, 422: permanent, 425: again, 429: away, 431: permanent,
		500: away, 501: away, 502: away, 503: away, 504: away, 507: away, 599: away,
	}
	var status atomic.Int64
	c := answering(t, ClientConfig{Token: "t"}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://elsewhere.invalid/")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, `{"error":{"code":"SOME_CODE","message":"some words","details":{"limit":3}}}`)
	})
	p := split(t, sample("r", 1), 10)[0]
	for s, cl := range want {
		status.Store(int64(s))
		_, err := c.Upload(context.Background(), p)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%d: error %v, want an *Error", s, err)
			continue
		}
		if got := (class{e.Permanent(), e.Unauthorized(), e.Unavailable()}); got != cl {
			t.Errorf("%d: %+v, want %+v", s, got, cl)
		}
		if e.Status != s || e.RetryAfter() != 7*time.Second {
			t.Errorf("%d: status %d, retry after %s", s, e.Status, e.RetryAfter())
		}
		if s >= 400 && (e.Code != "SOME_CODE" || e.Message != "some words" || string(e.Details) != `{"limit":3}`) {
			t.Errorf("%d: %+v", s, e)
		}
	}
}

func TestAnswersThatMustNotPassForStored(t *testing.T) {
	for name, body := range map[string]string{
		"captive portal": "<html>log in</html>", "empty": "", "array": "[]", "null": "null", "number": "1",
		"empty object": "{}", "other object": `{"hello":"world"}`, "wrong types": `{"findings_created":"many"}`,
		"truncated": `{"scan_id":"1","findings_created":3`,
	} {
		c := answering(t, ClientConfig{}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) })
		_, err := c.Upload(context.Background(), split(t, sample("r", 1), 10)[0])
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeBadAnswer || !e.Unavailable() || e.Permanent() {
			t.Errorf("%s: %v, want BAD_ANSWER that is not permanent", name, err)
		}
	}
}

func TestErrorsInASuccessAreInTheResult(t *testing.T) {
	c := answering(t, ClientConfig{}, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(201)
		fmt.Fprint(w, `{"scan_id":"s1","findings_created":3,"errors":["findings[2]: no title",{"index":4}]}`)
	})
	res, err := c.Upload(context.Background(), split(t, sample("r", 5), 10)[0])
	if err != nil || res.FindingsCreated != 3 || res.ID != "s1" || !strings.Contains(res.Error, "2 items not accepted") || !strings.Contains(res.Error, "no title") {
		t.Fatalf("%+v, %v", res, err)
	}
}

func TestNoAnswerIsUnavailable(t *testing.T) {
	c := answering(t, ClientConfig{}, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	p := split(t, sample("r", 1), 10)[0]
	_, err := c.Upload(context.Background(), p)
	if e := new(Error); !errors.As(err, &e) || !e.Unavailable() || e.Permanent() || e.Status != 0 {
		t.Errorf("cut connection: %v", err)
	}
	c, _ = NewClient(ClientConfig{BaseURL: "http://127.0.0.1:1"})
	_, err = c.Upload(context.Background(), p)
	if e := new(Error); !errors.As(err, &e) || !e.Unavailable() {
		t.Errorf("refused connection: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.Upload(ctx, p)
	if e := new(Error); !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Unavailable() || e.Permanent() {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTokenIsReadAgainAfter401(t *testing.T) {
	var asked, served atomic.Int64
	source := func(context.Context) (string, error) {
		if asked.Add(1) == 1 {
			return "old", nil
		}
		return "new\n", nil
	}
	c := answering(t, ClientConfig{TokenSource: source}, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, `{"status":"accepted"}`)
	})
	p := split(t, sample("r", 1), 10)[0]
	for range 2 {
		upload(t, c, p)
	}
	if asked.Load() != 2 || served.Load() != 3 {
		t.Errorf("token read %d times, %d requests; want 2 and 3", asked.Load(), served.Load())
	}
}

func TestTokenThatStaysWrongIsNotTriedForEver(t *testing.T) {
	var served atomic.Int64
	refuse := func(w http.ResponseWriter, r *http.Request) { served.Add(1); w.WriteHeader(401) }
	c := answering(t, ClientConfig{TokenSource: func(context.Context) (string, error) { return "same", nil }}, refuse)
	_, err := c.Upload(context.Background(), split(t, sample("r", 1), 10)[0])
	if e := new(Error); !errors.As(err, &e) || !e.Unauthorized() || served.Load() != 1 {
		t.Errorf("%v after %d requests", err, served.Load())
	}
	c = answering(t, ClientConfig{TokenSource: func(context.Context) (string, error) { return "", errors.New("no file") }}, refuse)
	_, err = c.Upload(context.Background(), split(t, sample("r", 1), 10)[0])
	if e := new(Error); !errors.As(err, &e) || !e.Unauthorized() || e.Permanent() || e.Unavailable() || served.Load() != 1 {
		t.Errorf("%v after %d requests", err, served.Load())
	}
}

func TestRedirectsNeverTakeTheTokenElsewhere(t *testing.T) {
	var reached atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		fmt.Fprint(w, `{"status":"accepted"}`)
	}))
	defer other.Close()
	p := split(t, sample("r", 1), 10)[0]
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := answering(t, ClientConfig{Token: "t"}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/x", status)
		})
		_, err := c.Upload(context.Background(), p)
		if e := new(Error); !errors.As(err, &e) || e.Code != CodeRedirect || e.Permanent() {
			t.Errorf("%d: %v", status, err)
		}
	}
	if reached.Load() != 0 {
		t.Errorf("%d requests reached the other host", reached.Load())
	}
	c := answering(t, ClientConfig{Token: "t"}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/moved" {
			http.Redirect(w, r, "/moved", http.StatusPermanentRedirect)
			return
		}
		fmt.Fprintf(w, `{"status":"accepted","findings_created":%d}`, r.ContentLength)
	})
	if res := upload(t, c, p); res.FindingsCreated != len(p.Data) {
		t.Errorf("followed within the host: %d bytes came, want %d", res.FindingsCreated, len(p.Data))
	}
}

func TestHugeAnswerIsCut(t *testing.T) {
	c := answering(t, ClientConfig{MaxResponseBytes: 1000}, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"status":%q}`, strings.Repeat("x", 2000))
	})
	_, err := c.Upload(context.Background(), split(t, sample("r", 1), 10)[0])
	if e := new(Error); !errors.As(err, &e) || e.Code != CodeBadAnswer || !strings.Contains(e.Message, "1000") {
		t.Errorf("%v", err)
	}
}

func TestClientConfigProblemsAreAllNamed(t *testing.T) {
	err := ClientConfig{BaseURL: "ftp://u:secret@h/?q", Token: "a b", AgentID: "x\n", MaxResponseBytes: -1, MaxRetryAfter: -1,
		TokenSource: func(context.Context) (string, error) { return "", nil }}.Validate()
	for _, want := range []string{"server.url", "token:", "agent_id", "max_response_bytes", "max_retry_after", "together with a token source"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%v tells a password", err)
	}
}

type openCircuit struct{}

func (openCircuit) Error() string             { return "circuit open" }
func (openCircuit) RetryAfter() time.Duration { return 9 * time.Second }
func (openCircuit) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, openCircuit{}
}

// An error that keeps a request from the receiver can have a RetryAfter of its own.
func TestRetryAfterOfTheTransport(t *testing.T) {
	c := answering(t, ClientConfig{Token: "t", HTTPClient: &http.Client{Transport: openCircuit{}}}, nil)
	_, err := c.Upload(t.Context(), split(t, sample("r", 1), 10)[0])
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter() != 9*time.Second || !e.Unavailable() {
		t.Errorf("%v", err)
	}
}
