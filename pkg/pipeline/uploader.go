package pipeline

import (
	"context"

	"github.com/rediverio/sdk/pkg/part"
)

// Uploader sends one part to wherever reports go.
//
// Upload is called concurrently, from Workers goroutines. It may be called again with the same part.Key, after
// an error or after a crash that lost the answer, so a receiver must take a second part with the same key
// without effect. It must not change the part and must return when ctx ends. A nil error means that the
// receiver holds the part durably; a nil Result is taken as an empty one.
//
// Errors steer what happens next, by their methods, found with errors.As:
//
//	Permanent() bool            true: no retry, the part is given up
//	RetryAfter() time.Duration  a floor for the time to the next attempt
//	Unavailable() bool          true: the receiver was not reached or is overloaded, which says nothing of the part
//	Unauthorized() bool         true: the credentials are wrong, which says nothing of the part
//	HTTPStatus() int            steers nothing; it is told in events, and tells 429 and 413 from other pauses and refusals
//
// Anything else is retried with exponential backoff. A panic is a failed attempt. No answer within UploadTimeout is
// taken as Unavailable.
//
// RetryAttempts are used up by failures that concern the part. In a durable spool one that is Unavailable or
// Unauthorized is not counted, so an outage of any length makes no dead letter; unless the same part fails like this
// again and again while the receiver answers for others. In memory only Unauthorized is not counted.
type Uploader interface {
	Upload(ctx context.Context, pt *part.Part) (*Result, error)
}

// UploaderFunc makes a function an Uploader.
type UploaderFunc func(ctx context.Context, pt *part.Part) (*Result, error)

// Upload calls f.
func (f UploaderFunc) Upload(ctx context.Context, pt *part.Part) (*Result, error) {
	return f(ctx, pt)
}

// Result is the receiver's answer.
type Result = part.Result
