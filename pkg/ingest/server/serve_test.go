package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
)

func TestServeEndsRunningRequests(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	inside, served, answered := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(inside)
			<-ctx.Done() // the end is asked for while this request runs
			fmt.Fprint(w, `{"existing":["done"]}`)
		}))
	}()
	c, err := ingest.NewClient(ingest.ClientConfig{BaseURL: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		got, err := c.Check(context.Background(), nil)
		if err == nil && len(got.Existing) != 1 {
			err = fmt.Errorf("answer %+v", got)
		}
		answered <- err
	}()
	<-inside
	cancel()
	if err := <-answered; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func TestServeSaysWhyItCannot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("%v", err)
	}
}

func TestHandlerRecordsEvents(t *testing.T) {
	events := make(chan event.Event, 10)
	_, url := newServer(t, func(c *HandlerConfig) { c.Sink = event.SinkFunc(func(e event.Event) { events <- e }) })
	p := split(t, sample("r1", 3), 10)[0]
	upload(t, newClient(t, url, tokenA), p)
	if e := <-events; e.Type != event.UploadCompleted || e.TenantID != "a" || e.ReportID != "r1" || e.AgentID != "agent-1" || e.Details["findings_created"] != 3 {
		t.Errorf("complete report: %+v", e)
	}
	upload(t, newClient(t, url, tokenA), p) // a repeat completes nothing
	post(t, url+ingest.DefaultIngestPath, tokenB, "x")
	if e := <-events; e.Type != event.ValidationError || e.TenantID != "b" || e.Details["status"] != 400 {
		t.Errorf("refused: %+v", e)
	}
	post(t, url+ingest.DefaultIngestPath, "wrong-token", "x")
	if e := <-events; e.Type != event.AuthFailed || e.TenantID != "" || strings.Contains(fmt.Sprint(e), "wrong-token") {
		t.Errorf("unauthorized: %+v", e)
	}
}

func TestHandlerConfigProblemsAreAllNamed(t *testing.T) {
	_, err := NewHandler(HandlerConfig{Tokens: map[string]string{"secret1": "a b"}, Admins: []string{"?"}, Limits: Limits{MaxParts: -1, MaxRatio: -1}})
	for _, want := range []string{"ingest.store: is nil", "7 characters", `tenant "a b"`, "ingest.admins", "ingest.limits.max_parts", "ingest.limits.max_ratio"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "secret1") {
		t.Errorf("%v tells a token", err)
	}
	_, err = NewHandler(HandlerConfig{Store: &Store{}, Tokens: map[string]string{"token-long-enough": "a"}, Limits: Limits{MaxInFlightBytes: 1000}})
	if err == nil || !strings.Contains(err.Error(), "max_in_flight_bytes") {
		t.Errorf("%v", err)
	}
}
