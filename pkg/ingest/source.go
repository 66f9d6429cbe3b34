package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
)

// SourceConfig configures a Source. A zero field means its default.
type SourceConfig struct {
	// TenantID is the tenant of commands that name none.
	TenantID string

	// Interval is the time between two polls, unless the server asks for a longer one. Defaults to DefaultPollInterval.
	Interval time.Duration
}

// DefaultPollInterval is the default of SourceConfig.Interval.
const DefaultPollInterval = 5 * time.Second

// Source is a job.Source over the commands of a server. It acknowledges a command when it takes it, and reports its start,
// completion or failure. All methods may be called concurrently but Next, which has one caller.
type Source struct {
	client *Client
	cfg    SourceConfig

	mu      sync.Mutex
	held    map[string]bool // commands taken and not ended; the server may offer them again
	later   []*command      // returned by Nak, to be offered again
	nextAsk time.Time
}

// NewSource returns a Source of the commands that the server offers to client.
func NewSource(client *Client, cfg SourceConfig) (*Source, error) {
	if cfg.Interval < 0 {
		return nil, fmt.Errorf("interval: %v is negative", cfg.Interval)
	}
	config.Default(&cfg.Interval, DefaultPollInterval)
	return &Source{client: client, cfg: cfg, held: map[string]bool{}}, nil
}

// Close does nothing. The caller of NewSource closes the client.
func (s *Source) Close() error { return nil }

// Next polls until there is a command or w.Wait has passed. It implements job.Source.
func (s *Source) Next(ctx context.Context, w job.Want) ([]job.Job, error) {
	if w.Max <= 0 {
		return nil, nil
	}
	end := time.Now().Add(w.Wait)
	for {
		if jobs := s.returned(w.Max); len(jobs) > 0 {
			return jobs, nil
		}
		if !time.Now().Before(s.nextAsk) {
			jobs, err := s.poll(ctx, w.Max)
			if len(jobs) > 0 || err != nil {
				return jobs, err
			}
		}
		wake := s.nextAsk
		if wake.After(end) {
			wake = end
		}
		if !time.Now().Before(end) {
			return nil, nil
		}
		t := time.NewTimer(time.Until(wake))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}

// poll polls once and takes the commands that are new.
func (s *Source) poll(ctx context.Context, limit int) ([]job.Job, error) {
	cmds, interval, err := s.client.PollCommands(ctx, limit)
	s.nextAsk = time.Now().Add(max(interval, s.cfg.Interval))
	if err != nil {
		return nil, err
	}
	var jobs []job.Job
	var errs []error
	for _, cmd := range cmds {
		c, err := s.take(ctx, cmd)
		if err != nil {
			errs = append(errs, fmt.Errorf("command %s: %w", wire.Clip(cmd.ID, 64), err))
		}
		if c != nil {
			jobs = append(jobs, c)
		}
	}
	return jobs, errors.Join(errs...)
}

// take acknowledges a command. A command that is not a scan is failed, so that it is not offered for ever.
func (s *Source) take(ctx context.Context, cmd Command) (*command, error) {
	if err := report.CheckID("command id", cmd.ID); err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	s.mu.Lock()
	known := s.held[cmd.ID]
	s.held[cmd.ID] = true
	s.mu.Unlock()
	if known {
		return nil, nil
	}
	c := &command{s: s, spec: job.Spec{
		ID: cmd.ID, TenantID: cmd.TenantID, Kind: cmd.Type, Priority: int(cmd.Priority), NotAfter: cmd.ExpiresAt, Attempt: 1, Payload: cmd.Payload,
	}}
	if c.spec.TenantID == "" {
		c.spec.TenantID = s.cfg.TenantID
	}
	if err := c.readPayload(); err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrInvalid, errors.Join(err, c.Fail(ctx, err.Error())))
	}
	if err := s.client.Ack(ctx, cmd.ID); err != nil {
		s.release(cmd.ID)
		return nil, err
	}
	if err := s.client.Start(ctx, cmd.ID); err != nil { // acknowledged, so it is ours nevertheless
		return c, err
	}
	return c, nil
}

func (s *Source) release(id string) {
	s.mu.Lock()
	delete(s.held, id)
	s.mu.Unlock()
}

// returned takes at most n commands that Nak returned and that are due. The server still regards them as running here.
func (s *Source) returned(n int) (jobs []job.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.later[:0]
	for _, c := range s.later {
		if len(jobs) < n && !time.Now().Before(c.due) {
			c.spec.Attempt++
			jobs = append(jobs, c)
			continue
		}
		rest = append(rest, c)
	}
	s.later = rest
	return jobs
}

// command is a command as a job.
type command struct {
	s    *Source
	spec job.Spec
	due  time.Time // time at which it is offered again after Nak

	mu    sync.Mutex
	ended bool
}

// readPayload decodes the payload of a scan command.
func (c *command) readPayload() error {
	if c.spec.Kind != "scan" {
		return fmt.Errorf("type %q: want scan", wire.Clip(c.spec.Kind, 64))
	}
	var p struct {
		Scanner string `json:"scanner"`
		Target  string `json:"target"`
		Timeout int64  `json:"timeout_seconds"`
	}
	if err := json.Unmarshal(c.spec.Payload, &p); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	const longest = 30 * 24 * 3600
	if p.Scanner == "" || p.Target == "" || p.Timeout < 0 || p.Timeout > longest {
		return fmt.Errorf("payload: scanner %q and target %q must be set, timeout_seconds %d within 0 to %d", wire.Clip(p.Scanner, 64), wire.Clip(p.Target, 256), p.Timeout, longest)
	}
	c.spec.Scanner, c.spec.Target, c.spec.Timeout = p.Scanner, p.Target, time.Duration(p.Timeout)*time.Second
	return nil
}

// Spec implements job.Job.
func (c *command) Spec() job.Spec { return c.spec }

// Extend does nothing: commands of this protocol have no lease.
func (c *command) Extend(context.Context) error { return nil }

// Ack completes the command.
func (c *command) Ack(ctx context.Context) error {
	return c.end(func() error {
		return c.s.client.Complete(ctx, c.spec.ID, map[string]any{"status": "completed", "report_id": report.CleanID(c.spec.ID)})
	})
}

// Fail fails the command.
func (c *command) Fail(ctx context.Context, reason string) error {
	return c.end(func() error { return c.s.client.Fail(ctx, c.spec.ID, reason) })
}

// Nak keeps the command for this agent and offers it again after delay, because the protocol cannot return a command.
func (c *command) Nak(_ context.Context, delay time.Duration) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.due = time.Now().Add(delay)
	c.s.later = append(c.s.later, c)
	return nil
}

func (c *command) end(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	c.ended = true
	c.s.release(c.spec.ID)
	return nil
}
