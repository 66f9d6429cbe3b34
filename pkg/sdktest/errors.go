package sdktest

import (
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/pipeline"
)

// Permanent returns the error of a receiver that will never accept the part; see pipeline.Permanent.
func Permanent(text string) error { return pipeline.Permanent(errors.New(text)) }

// Unavailable returns the error of a receiver that was not reached; see pipeline.Unavailable.
func Unavailable(text string) error { return pipeline.Unavailable(errors.New(text)) }

// RetryAfter returns the error of a receiver that asks for a pause; see pipeline.RetryAfter.
func RetryAfter(d time.Duration) error {
	return pipeline.RetryAfter(fmt.Errorf("rate limited, retry after %v", d), d)
}

// Unauthorized returns the error of a receiver that refuses the credentials; see pipeline.Unauthorized.
func Unauthorized(text string) error { return pipeline.Unauthorized(errors.New(text)) }
