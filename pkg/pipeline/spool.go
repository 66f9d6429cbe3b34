package pipeline

import (
	"context"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// Spool is the queue behind a Pipeline: the built-in one in memory, or a chunk.Manager on disk. All methods
// are called concurrently.
type Spool interface {
	// Put accepts a whole report, or none of it, and returns its ID. When it returns nil, a durable spool has the
	// report on disk. It fails with an error that says why when the spool is full.
	Put(ctx context.Context, r *report.Report, env part.Envelope) (id string, err error)

	// Next leases the part that is to be uploaded next: higher priority first, then older first. It never waits.
	// With nothing due it returns nil and the time at which something will be, zero for none in sight. A leased
	// part is handed out again only after Settle, or by another process after this one died.
	Next(ctx context.Context) (pt *part.Part, due time.Time, err error)

	// Settle ends the lease of a part. It does its work even when ctx is done, for an outcome must not be lost. Where
	// the report was removed during the upload, the error has a method NotFound() bool that returns true.
	Settle(ctx context.Context, pt *part.Part, o part.Outcome) (part.Progress, error)

	// Ready receives whenever something may have become due earlier than Next said.
	Ready() <-chan struct{}

	// Counts reports the spool's state in one consistent moment.
	Counts() part.Counts
}

// retryLimiter is implemented by a spool that has a retry limit of its own (chunk.Config.MaxRetries); it then
// counts instead of PipelineConfig.RetryAttempts.
type retryLimiter interface{ MaxRetries() int }
