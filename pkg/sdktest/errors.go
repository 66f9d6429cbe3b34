package sdktest

import (
	"fmt"
	"time"
)

// uploadError is a refusal of an upload, which says by its methods what is to happen next; see pipeline.Uploader.
type uploadError struct {
	text                                 string
	permanent, unavailable, unauthorized bool
	after                                time.Duration
}

func (e *uploadError) Error() string             { return e.text }
func (e *uploadError) Permanent() bool           { return e.permanent }
func (e *uploadError) Unavailable() bool         { return e.unavailable }
func (e *uploadError) Unauthorized() bool        { return e.unauthorized }
func (e *uploadError) RetryAfter() time.Duration { return e.after }

// Permanent returns the error of a receiver that will never take the part: it is given up without a retry.
func Permanent(text string) error { return &uploadError{text: text, permanent: true} }

// Unavailable returns the error of a receiver that was not reached, which says nothing of the part: a durable queue
// waits for as long as it takes.
func Unavailable(text string) error { return &uploadError{text: text, unavailable: true} }

// RetryAfter returns the error of a receiver that asks for a pause of d: the next attempt comes no earlier.
func RetryAfter(d time.Duration) error {
	return &uploadError{text: fmt.Sprintf("rate limited, retry after %v", d), unavailable: true, after: d}
}

// Unauthorized returns the error of a receiver that refuses the credentials: uploads pause, nothing is given up.
func Unauthorized(text string) error { return &uploadError{text: text, unauthorized: true} }
