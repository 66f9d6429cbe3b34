package server

import (
	"errors"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
)

func TestCommandsFromQueueToEnd(t *testing.T) {
	store, url := newServer(t, nil)
	a, b := newClient(t, url, tokenA), newClient(t, url, tokenB)
	for _, c := range []ingest.Command{
		{ID: "low", Type: "scan", Priority: -1, Payload: []byte(`{"target":"/x"}`)},
		{ID: "high", Type: "scan", Priority: 5},
		{ID: "expired", Type: "scan", ExpiresAt: time.Now().Add(-time.Second)},
	} {
		if _, err := store.Tenant("a").AddCommand(c); err != nil {
			t.Fatal(err)
		}
	}
	if resp := post(t, url+ingest.DefaultCommandsPath, tokenA, `{"id":"mid","type":"scan","priority":"high"}`); resp.StatusCode != 201 {
		t.Errorf("add over HTTP: %d", resp.StatusCode)
	}
	if resp := post(t, url+ingest.DefaultCommandsPath, tokenA, `{"id":"mid","type":"scan"}`); resp.StatusCode != 409 {
		t.Errorf("add the same ID: %d", resp.StatusCode)
	}
	got, err := a.Commands(t.Context(), 10)
	if err != nil || len(got) != 3 || got[0].ID != "high" || got[1].ID != "mid" || got[2].ID != "low" || string(got[2].Payload) != `{"target":"/x"}` || got[2].TenantID != "a" {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := a.Commands(t.Context(), 1); err != nil || len(got) != 1 {
		t.Errorf("limit 1: %+v, %v", got, err)
	}
	if got, err := b.Commands(t.Context(), 10); err != nil || len(got) != 0 {
		t.Errorf("another tenant sees %+v, %v", got, err)
	}
	status := func(err error) int {
		if e := new(ingest.Error); errors.As(err, &e) {
			return e.Status
		}
		return 0
	}
	other, _ := ingest.NewClient(ingest.ClientConfig{BaseURL: url, Token: tokenA, AgentID: "agent-2"})
	for i, step := range []struct {
		err  error
		want int
	}{
		{b.Ack(t.Context(), "high"), 404},
		{a.Ack(t.Context(), "high"), 0},
		{a.Ack(t.Context(), "high"), 0},
		{other.Ack(t.Context(), "high"), 409},
		{a.Start(t.Context(), "high"), 0},
		{a.Ack(t.Context(), "high"), 409},
		{a.Complete(t.Context(), "high", map[string]int{"findings": 3}), 0},
		{a.Complete(t.Context(), "high", nil), 0},
		{a.Fail(t.Context(), "high", "no"), 409},
		{a.Fail(t.Context(), "low", "scanner missing"), 0},
		{a.Ack(t.Context(), "nothing"), 404},
	} {
		if status(step.err) != step.want {
			t.Errorf("step %d: %v, want %d", i, step.err, step.want)
		}
	}
	if err := a.Ack(t.Context(), ".."); err == nil {
		t.Error("an ID that would change the path was sent")
	}
	if resp := post(t, url+ingest.DefaultCommandsPath+"/mid/ack", tokenA, ""); resp.StatusCode != 200 {
		t.Errorf("the short spelling: %d", resp.StatusCode)
	}
	if got, err := a.Commands(t.Context(), 10); err != nil || len(got) != 0 {
		t.Errorf("left %+v, %v", got, err)
	}
}
