// Package job defines a unit of work of an agent, the Source it comes from, and two sources: a List and a Dir.
//
// An agent takes a Job from a Source under a lease, extends the lease while it works, and ends the job with exactly one
// of Ack, Nak and Fail. A job whose agent dies is delivered again once its lease has expired.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Errors of a lease, which the methods of Job return, wrapped or not. After either of them the agent stops the work and
// calls no other method of the job.
var (
	// ErrLeaseLost means that another agent may hold the job now.
	ErrLeaseLost = errors.New("lease lost")
	// ErrCanceled means that the job was withdrawn.
	ErrCanceled = errors.New("job canceled")
)

// ErrInvalid means that a source found something that is not a job and has removed it. Source.Next returns it, wrapped
// together with the reason, beside the jobs that are valid.
var ErrInvalid = errors.New("not a valid job")

// KindScan is the kind of the jobs that an agent runs.
const KindScan = "scan"

// Spec describes a job.
type Spec struct {
	// ID identifies the job at its source. It must be unique there.
	ID string `json:"id"`
	// TenantID is the tenant that owns the job. If empty, it is the agent's own tenant.
	TenantID string `json:"tenant"`
	// Kind is KindScan.
	Kind string `json:"kind"`
	// Scanner is the name of the scanner to run.
	Scanner string `json:"scanner"`
	// Target is what to scan, usually the path of a directory.
	Target string `json:"target"`
	// Priority orders jobs and their uploads. Higher goes first.
	Priority int `json:"priority"`
	// Timeout is the maximum duration of the scan. Zero means the agent's default. In JSON it is in nanoseconds.
	Timeout time.Duration `json:"timeout"`
	// Attempt is the number of times the job was delivered, this delivery included. Zero means unknown.
	Attempt int `json:"attempt"`
	// NotAfter is the time after which the job must not start. The zero time means no limit.
	NotAfter time.Time `json:"not_after"`
	// LeaseTTL is the duration of the lease, which the agent extends before it expires. Zero means that the job has no
	// lease. In JSON it is in nanoseconds.
	LeaseTTL time.Duration `json:"lease_ttl"`
	// Payload is data of the source's own. An agent ignores it.
	Payload json.RawMessage `json:"payload,omitempty"`
}

func (s *Spec) setDefaults() {
	if s.Kind == "" {
		s.Kind = KindScan
	}
}

// Job is a leased unit of work. Its methods may be called concurrently. Exactly one of Ack, Nak and Fail ends the job;
// calling one of them again must have no effect. An error with a method Permanent() bool that returns true is final;
// after any other error, except ErrLeaseLost and ErrCanceled, the agent repeats the call.
type Job interface {
	// Spec returns the description of the job. It is the same at every call.
	Spec() Spec
	// Extend renews the lease for another LeaseTTL. It returns ErrLeaseLost or ErrCanceled if there is nothing to renew.
	Extend(ctx context.Context) error
	// Ack ends the job because its result is durable at the receiver.
	Ack(ctx context.Context) error
	// Nak returns the job to its source, which delivers it again no earlier than after delay.
	Nak(ctx context.Context, delay time.Duration) error
	// Fail ends the job without a result.
	Fail(ctx context.Context, reason string) error
}
