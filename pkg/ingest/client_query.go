package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// Check returns which of the fingerprints the receiver knows.
func (c *Client) Check(ctx context.Context, fingerprints []string) (*CheckResult, error) {
	var out CheckResult
	return &out, c.json(ctx, http.MethodPost, c.cfg.Paths.Check, wire.CheckRequest{Fingerprints: fingerprints}, &out)
}

// Heartbeat reports the state of the agent to the receiver, which keeps the last one of each agent.
func (c *Client) Heartbeat(ctx context.Context, h Heartbeat) error {
	return c.json(ctx, http.MethodPost, c.cfg.Paths.Heartbeat, h, nil)
}

// Agents returns the last heartbeat of each agent of the token's tenant.
func (c *Client) Agents(ctx context.Context) ([]AgentState, error) {
	var out []AgentState
	err := c.json(ctx, http.MethodGet, c.cfg.Paths.Heartbeat, nil, &out)
	return out, err
}

// Stats returns the numbers of the token's tenant, or of all tenants if the tenant is an administrator.
func (c *Client) Stats(ctx context.Context) (*Stats, error) {
	var out Stats
	return &out, c.json(ctx, http.MethodGet, c.cfg.Paths.Stats, nil, &out)
}

// Findings returns one page of findings. All iterates over all pages.
func (c *Client) Findings(ctx context.Context, q Query) (*Page, error) {
	path := c.cfg.Paths.Findings
	if enc := q.values().Encode(); enc != "" {
		path += "?" + enc
	}
	body, header, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	page := &Page{Next: header.Get(wire.HeaderCursor)}
	if err := json.Unmarshal(body, &page.Findings); err != nil {
		return nil, badAnswer("GET "+c.cfg.Paths.Findings, err)
	}
	return page, nil
}

// Commands returns at most limit commands that wait for this agent.
func (c *Client) Commands(ctx context.Context, limit int) ([]Command, error) {
	cmds, _, err := c.PollCommands(ctx, limit)
	return cmds, err
}

// PollCommands is like Commands, and also returns how long the server asks to wait before the next poll, or 0.
func (c *Client) PollCommands(ctx context.Context, limit int) ([]Command, time.Duration, error) {
	path := c.cfg.Paths.Commands + "?limit=" + strconv.Itoa(limit)
	body, _, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil || len(bytes.TrimSpace(body)) == 0 { // 204: no commands
		return nil, 0, err
	}
	var list []*Command
	var wrapped struct {
		Commands *[]*Command `json:"commands"`
		Seconds  float64     `json:"poll_interval_seconds"`
	}
	if bytes.TrimSpace(body)[0] == '[' {
		err = json.Unmarshal(body, &list)
	} else if err = json.Unmarshal(body, &wrapped); err == nil && wrapped.Commands == nil {
		err = errors.New("answer is neither a list of commands nor an object with commands")
	} else if err == nil {
		list = *wrapped.Commands
	}
	if err != nil {
		return nil, 0, badAnswer("GET "+c.cfg.Paths.Commands, err)
	}
	cmds := make([]Command, 0, len(list))
	for _, cmd := range list {
		if cmd != nil && cmd.ID != "" {
			cmds = append(cmds, *cmd)
		}
	}
	interval := min(max(wrapped.Seconds, 0), c.cfg.MaxRetryAfter.Seconds())
	return cmds, time.Duration(interval * float64(time.Second)), nil
}

// Ack reports that the agent has taken the command. Status 409 means that another agent has.
func (c *Client) Ack(ctx context.Context, id string) error {
	return c.command(ctx, id, c.cfg.Paths.Acknowledge, struct{}{})
}

// Start reports that work on the command has begun.
func (c *Client) Start(ctx context.Context, id string) error {
	return c.command(ctx, id, c.cfg.Paths.Start, struct{}{})
}

// Complete ends a command with a result, which may be any JSON value or nil.
func (c *Client) Complete(ctx context.Context, id string, result any) error {
	return c.command(ctx, id, c.cfg.Paths.Complete, map[string]any{"result": result})
}

// Fail ends a command with the reason of its failure.
func (c *Client) Fail(ctx context.Context, id, reason string) error {
	return c.command(ctx, id, c.cfg.Paths.Fail, map[string]string{"error_message": reason})
}

func (c *Client) command(ctx context.Context, id, state string, body any) error {
	if id == "" || id == "." || id == ".." || len(id) > 256 {
		return &Error{Op: state + " command", Code: CodeInvalidPart, Message: fmt.Sprintf("id %q", wire.Clip(id, 64))}
	}
	return c.json(ctx, http.MethodPost, c.cfg.Paths.Commands+"/"+url.PathEscape(id)+"/"+state, body, nil)
}

// json sends in as JSON, or no body if in is nil, and decodes the answer into out unless out is nil.
func (c *Client) json(ctx context.Context, method, path string, in, out any) error {
	rq := call{method: method, path: path}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return &Error{Op: method + " " + path, Code: CodeInvalidPart, Err: err}
		}
		rq.open, rq.size = func() io.Reader { return bytes.NewReader(b) }, int64(len(b))
	}
	body, _, err := c.do(ctx, rq)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return badAnswer(method+" "+path, err)
	}
	return nil
}

func badAnswer(op string, err error) *Error {
	return &Error{Op: op, Status: http.StatusOK, Code: CodeBadAnswer, Err: err}
}
