package pipeline

import (
	"context"

	"github.com/rediverio/sdk/pkg/part"
)

// Uploader sends parts to the receiver of reports.
//
// The methods of an error, found with errors.As, steer what happens next. Permanent, RetryAfter, Unavailable and
// Unauthorized return such errors.
//
//	Permanent() bool            true: the part is not tried again
//	RetryAfter() time.Duration  the minimum time to the next attempt
//	Unavailable() bool          true: the receiver was not reached or is overloaded, which is not the fault of the part
//	Unauthorized() bool         true: the credentials are wrong, which is not the fault of the part
//	HTTPStatus() int            is part of events, and tells 429 and 413 from other pauses and refusals
//
// After any other error the part is tried again with exponential backoff. A panic is a failed attempt, and an attempt that
// exceeds UploadTimeout is taken as Unavailable.
//
// Only failures that concern the part count as RetryAttempts. In a durable spool, attempts that are Unavailable or
// Unauthorized do not count, so that an outage of any length makes no dead letter, unless the same part fails like this
// repeatedly while the receiver answers for other parts. In memory, only attempts that are Unauthorized do not count.
type Uploader interface {
	// Upload sends one part. If it returns nil, the receiver has stored the part durably; a nil Result means an empty one.
	// It is called concurrently from Workers goroutines, must not change the part, and must return when ctx ends.
	//
	// It may be called again with the same part.Key, after an error or after a crash that lost the answer; a receiver must
	// accept the second part without effect.
	Upload(ctx context.Context, pt *part.Part) (*Result, error)
}

// UploaderFunc is a function that is an Uploader.
type UploaderFunc func(ctx context.Context, pt *part.Part) (*Result, error)

// Upload calls f.
func (f UploaderFunc) Upload(ctx context.Context, pt *part.Part) (*Result, error) {
	return f(ctx, pt)
}

// Result is the answer of the receiver.
type Result = part.Result
