package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// maxCommands is the maximum number of pending commands of one tenant.
const maxCommands = 10_000

// AddCommand queues a command for the tenant's agents and returns it with its ID, status and time. Its type must be set; an
// empty ID is assigned. It returns a *ConflictError if the ID exists.
func (t *Tenant) AddCommand(cmd ingest.Command) (*ingest.Command, error) {
	if cmd.Type == "" || len(cmd.Type) > 64 {
		return nil, badRequestf("type %q: want 1 to 64 bytes", wire.Clip(cmd.Type, 64))
	}
	if cmd.ID == "" {
		cmd.ID = report.NewID("cmd")
	}
	if err := report.CheckID("id", cmd.ID); err != nil {
		return nil, err
	}
	if len(cmd.Payload) > 0 && !json.Valid(cmd.Payload) {
		return nil, badRequestf("payload is not JSON")
	}
	err := t.write(int64(len(cmd.Payload)), func(tx *tx) error {
		tenant, err := tx.tenantID(t.name)
		if err != nil {
			return err
		}
		cmd.TenantID, cmd.Status, cmd.CreatedAt = t.name, ingest.CommandPending, tx.now.UTC()
		return tx.addCommand(tenant, cmd)
	})
	if err != nil {
		return nil, err
	}
	return &cmd, nil
}

func (t *tx) addCommand(tenant int64, cmd ingest.Command) error {
	var waiting int
	if _, err := t.get("SELECT count(*) FROM command WHERE tenant = ? AND status = 'pending'", []any{tenant}, &waiting); err != nil {
		return err
	}
	if waiting >= maxCommands {
		return &limitError{"pending commands", maxCommands, waiting + 1}
	}
	var expires int64
	if !cmd.ExpiresAt.IsZero() {
		expires = cmd.ExpiresAt.UnixMilli()
	}
	n, err := t.affect(`INSERT OR IGNORE INTO command (tenant, id, type, priority, payload, status, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, tenant, cmd.ID, cmd.Type, int(cmd.Priority), []byte(cmd.Payload), cmd.Status,
		cmd.CreatedAt.UnixMilli(), expires)
	if err == nil && n == 0 {
		return &ConflictError{fmt.Sprintf("command %s exists", cmd.ID)}
	}
	return err
}

// Commands returns the tenant's pending commands that have not expired, highest priority and then oldest first.
func (t *Tenant) Commands(ctx context.Context, limit int) ([]ingest.Command, error) {
	cmds, err := list(ctx, t.store, `SELECT id, type, priority, payload, status, created, expires FROM command
		WHERE tenant = (SELECT id FROM tenant WHERE name = ?) AND status = 'pending' AND (expires = 0 OR expires > ?)
		ORDER BY priority DESC, created LIMIT ?`, []any{t.name, t.store.now().UnixMilli(), limit}, t.scanCommand)
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	return cmds, nil
}

func (t *Tenant) scanCommand(scan scanFunc) (ingest.Command, error) {
	c := ingest.Command{TenantID: t.name}
	var payload []byte
	var created, expires int64
	err := scan(&c.ID, &c.Type, &c.Priority, &payload, &c.Status, &created, &expires)
	c.Payload, c.CreatedAt = payload, time.UnixMilli(created).UTC()
	if expires != 0 {
		c.ExpiresAt = time.UnixMilli(expires).UTC()
	}
	return c, err
}

// setCommand moves a command to a later state. The same move again has no effect. A move to an earlier state, or by an agent
// other than the one that acknowledged the command, is a conflict.
func (t *Tenant) setCommand(id, state, agent string, result []byte) error {
	order := map[string]int{ingest.CommandPending: 0, ingest.CommandAcknowledged: 1, ingest.CommandRunning: 2, ingest.CommandCompleted: 3, ingest.CommandFailed: 3}
	return t.write(int64(len(result)), func(tx *tx) error {
		var tenant int64
		if _, err := tx.get("SELECT id FROM tenant WHERE name = ?", []any{t.name}, &tenant); err != nil {
			return err
		}
		var have, holder string
		found, err := tx.get("SELECT status, agent FROM command WHERE tenant = ? AND id = ?", []any{tenant, id}, &have, &holder)
		switch {
		case err != nil:
			return err
		case !found:
			return &notFoundError{fmt.Sprintf("no command %q", wire.Clip(id, 64))}
		case have != ingest.CommandPending && holder != agent:
			return &ConflictError{fmt.Sprintf("command %s is %s by another agent", wire.Clip(id, 64), have)}
		case have == state:
			return nil
		case order[state] <= order[have]:
			return &ConflictError{fmt.Sprintf("command %s is %s and cannot become %s", wire.Clip(id, 64), have, state)}
		}
		return tx.exec("UPDATE command SET status = ?, agent = ?, result = ? WHERE tenant = ? AND id = ?", state, agent, result, tenant, id)
	})
}
