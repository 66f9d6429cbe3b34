// Package job is what a job source hands to an agent: a lease on a piece of work, and the verbs that end it.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Errors of a lease. Sources return them, wrapped or plain, from the verbs of Job.
var (
	// ErrLeaseLost means that somebody else may hold the job now: stop the work, do not Ack.
	ErrLeaseLost = errors.New("lease lost")
	// ErrCanceled means that the job was withdrawn: stop the work, release the slot, do not Ack.
	ErrCanceled = errors.New("job canceled")
)

// ErrInvalid means that something offered as a job is none, and that the source has set it aside. Source.Next returns
// it, wrapped with the reason, beside the jobs that are good.
var ErrInvalid = errors.New("not a job")

// Spec says what is to be done.
type Spec struct {
	ID       string          `json:"id"`       // unique at its source
	TenantID string          `json:"tenant"`   // empty: the agent's own tenant
	Kind     string          `json:"kind"`     // "scan"
	Scanner  string          `json:"scanner"`  // name in the scanner table
	Target   string          `json:"target"`   // what to scan: a path
	Priority int             `json:"priority"` // higher first
	Timeout  time.Duration   `json:"timeout"`  // of the scan; 0: the agent's default
	Attempt  int             `json:"attempt"`  // deliveries so far, from 1; 0: unknown
	NotAfter time.Time       `json:"not_after"`
	LeaseTTL time.Duration   `json:"lease_ttl"` // Extend before it runs out; 0: no lease
	Payload  json.RawMessage `json:"payload,omitempty"`
}

// Job is a leased piece of work. Its methods may be called from any goroutine; exactly one of Ack, Nak and
// Fail ends it, and a second call of the same verb is harmless.
type Job interface {
	Spec() Spec
	// Extend renews the lease to now + LeaseTTL. It returns nil, ErrLeaseLost, ErrCanceled or a passing error.
	Extend(ctx context.Context) error
	// Ack says that the job's result is durable upstream.
	Ack(ctx context.Context) error
	// Nak gives the job back, to be delivered again after delay at the earliest.
	Nak(ctx context.Context, delay time.Duration) error
	// Fail ends the job for good, with the reason.
	Fail(ctx context.Context, reason string) error
}
