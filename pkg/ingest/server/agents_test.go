package server

import (
	"net/http"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

func TestLastHeartbeatOfEachAgentIsListed(t *testing.T) {
	_, url := newServer(t, nil)
	a := newClient(t, url, tokenA)
	for _, beat := range []ingest.Heartbeat{{Status: "idle", Version: "1.2"}, {Status: "running", Version: "1.2", ActiveJobs: 3, WaitingJobs: 1, PendingReports: 7}} {
		if err := a.Heartbeat(t.Context(), beat); err != nil {
			t.Fatalf("Heartbeat(%+v) = %v", beat, err)
		}
	}
	post(t, url+ingest.DefaultHeartbeatPath, tokenA, `{"status":"idle","errors":"many"}`, wire.HeaderAgent, "agent-2")
	post(t, url+ingest.DefaultHeartbeatPath, tokenB, `{"name":"of b"}`)
	agents, err := a.Agents(t.Context())
	if err != nil || len(agents) != 2 {
		t.Fatalf("Agents() = %+v, %v; want 2", agents, err)
	}
	if got := agents[0]; got.Agent != "agent-1" || got.ReceivedAt.IsZero() || got.Heartbeat.Status != "running" || got.Heartbeat.ActiveJobs != 3 || got.Heartbeat.PendingReports != 7 {
		t.Errorf("Agents()[0] = %+v, want the last heartbeat of agent-1", got)
	}
	if got := agents[1]; got.Agent != "agent-2" || got.Heartbeat.Status != "idle" {
		t.Errorf("Agents()[1] = %+v, want agent-2 without its invalid member", got)
	}
	if got, err := newClient(t, url, tokenB).Agents(t.Context()); err != nil || len(got) != 1 || got[0].Agent != "of b" {
		t.Errorf("Agents() of tenant b = %+v, %v; want its own agent", got, err)
	}
	if resp := post(t, url+ingest.DefaultHeartbeatPath, tokenA, `[]`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("POST of an array = %d, want 400", resp.StatusCode)
	}
}
