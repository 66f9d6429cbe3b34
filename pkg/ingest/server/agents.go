package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

const (
	maxAgents    = 10_000   // stored agents of one tenant
	maxHeartbeat = 64 << 10 // bytes
)

// heartbeat stores the last heartbeat of an agent.
func (h *handler) heartbeat(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	var beat ingest.Heartbeat
	err := h.decodeSmall(w, r, t, maxHeartbeat, &beat)
	// A member of another type than ours is ignored, since the protocol allows any object.
	if wrong := new(json.UnmarshalTypeError); err != nil && !(errors.As(err, &wrong) && wrong.Field != "") {
		return err
	}
	agent := cmp.Or(agentOf(r), wire.Clip(beat.Name, 256))
	if agent != "" {
		if err := t.putHeartbeat(agent, beat); err != nil {
			return err
		}
	}
	return replyOr(w, map[string]string{"status": "ok", "agent_id": agent, "tenant_id": t.name}, nil)
}

// agents answers with the last heartbeat of every agent.
func (h *handler) agents(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	agents, err := t.Agents(r.Context())
	return replyOr(w, agents, err)
}

func (t *Tenant) putHeartbeat(agent string, beat ingest.Heartbeat) error {
	text, err := json.Marshal(beat)
	if err != nil {
		return &badRequest{err}
	}
	return t.write(0, func(tx *tx) error {
		tenant, err := tx.tenantID(t.name)
		if err != nil {
			return err
		}
		now := tx.now.UnixMilli()
		n, err := tx.affect("UPDATE agent SET seen = ?, heartbeat = ? WHERE tenant = ? AND name = ?", now, text, tenant, agent)
		if n > 0 || err != nil {
			return err
		}
		var agents int
		if _, err := tx.get("SELECT count(*) FROM agent WHERE tenant = ?", []any{tenant}, &agents); err != nil {
			return err
		}
		if agents >= maxAgents {
			return &limitError{"agents", maxAgents, agents + 1}
		}
		return tx.exec("INSERT INTO agent (tenant, name, seen, heartbeat) VALUES (?, ?, ?, ?)", tenant, agent, now, text)
	})
}

// Agents returns the last heartbeat of each of the tenant's agents, ordered by agent.
func (t *Tenant) Agents(ctx context.Context) ([]ingest.AgentState, error) {
	agents, err := list(ctx, t.store, `SELECT name, seen, heartbeat FROM agent
		WHERE tenant = (SELECT id FROM tenant WHERE name = ?) ORDER BY name`, []any{t.name},
		func(scan scanFunc) (a ingest.AgentState, err error) {
			var seen int64
			var text []byte
			if err := scan(&a.Agent, &seen, &text); err != nil {
				return a, err
			}
			a.ReceivedAt = time.UnixMilli(seen).UTC()
			return a, json.Unmarshal(text, &a.Heartbeat)
		})
	if err != nil {
		return nil, fmt.Errorf("list agents: %w", err)
	}
	return agents, nil
}
