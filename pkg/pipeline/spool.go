package pipeline

import (
	"context"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// Spool is the queue behind a Pipeline: the built-in one in memory, or a chunk.Manager on disk. Its methods are called
// concurrently. A Spool may also implement Streamer, UploadLimiter and event.SinkSetter.
type Spool interface {
	// Put accepts the whole report, or nothing of it, and returns its ID. If it returns nil, a durable spool has the report
	// on disk.
	Put(ctx context.Context, r *report.Report, env part.Envelope) (id string, err error)

	// Next leases the part to be uploaded next: higher priority first, then older first. It does not wait. If nothing is
	// due it returns nil and the time at which something will be, or the zero time if there is none. A leased part is
	// leased again only after Settle, or by another process after this one has died.
	Next(ctx context.Context) (pt *part.Part, due time.Time, err error)

	// Settle ends the lease of a part. It ignores the cancellation of ctx, because an outcome must not be lost. If the
	// report was removed during the upload, it returns an error with a method NotFound() bool that returns true.
	Settle(ctx context.Context, pt *part.Part, o part.Outcome) (part.Progress, error)

	// Ready receives a value whenever something may have become due earlier than Next has returned.
	Ready() <-chan struct{}

	// Counts returns the state of the spool at one moment.
	Counts() part.Counts
}

// Streamer is implemented by a Spool that accepts a report item by item. Pipeline.NewWriter needs it.
type Streamer interface {
	NewWriter(ctx context.Context, head *report.Report, env part.Envelope) (part.Writer, error)
}

// UploadLimiter is implemented by a Spool that has settings of uploads in its own configuration.
type UploadLimiter interface {
	// UploadLimits returns the configured number of concurrent uploads, retries, and pause between the parts of a report.
	// Zero means the default, -1 that there are none.
	UploadLimits() (concurrent, retries int, delay time.Duration)
	// SetUploadLimits sets the number of parts that may be leased at a time, and the pause after a part of a report that
	// has several. A delay of zero leaves it as it is, -1 means none. Pipeline.Start calls it.
	SetUploadLimits(concurrent int, delay time.Duration)
}
