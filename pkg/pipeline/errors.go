package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

var (
	// ErrStopped is returned once Stop was called or the context of Start was cancelled.
	ErrStopped = errors.New("pipeline is stopped")
	// ErrQueueFull refuses a report because QueueSize or MaxQueueBytes is reached; the error found is a *QueueFullError.
	ErrQueueFull = errors.New("upload queue is full")
)

// QueueFullError is ErrQueueFull with the facts.
type QueueFullError struct {
	Field string // QueueSize or MaxQueueBytes
	Value int64  // what it would become
	Bound int64
}

func (e *QueueFullError) Error() string {
	return fmt.Sprintf("%v: %s would be %d, the bound is %d", ErrQueueFull, e.Field, e.Value, e.Bound)
}

// Is makes errors.Is(err, ErrQueueFull) true.
func (e *QueueFullError) Is(target error) bool { return target == ErrQueueFull }

// UnsentError is returned by Stop and names every report that was only in memory and ended because there was no time
// to try it again, or at all. OnFailed was called for each of them with ErrStopped. It is final when Stopped is closed.
type UnsentError struct{ ReportIDs []string }

func (e *UnsentError) Error() string {
	const few = 5
	list := strings.Join(e.ReportIDs[:min(few, len(e.ReportIDs))], ", ")
	if len(e.ReportIDs) > few {
		list += ", …"
	}
	return fmt.Sprintf("%d reports were not uploaded: %s", len(e.ReportIDs), list)
}

// RetryAgeError is why a part was given up while it had retries left. As a dead letter it is kept, and has one attempt
// each time it is retried.
type RetryAgeError struct {
	Age, Limit time.Duration // since the report was submitted; PipelineConfig.MaxRetryAge
	Err        error         // of the last attempt
}

func (e *RetryAgeError) Error() string {
	return fmt.Sprintf("%v after it was submitted, MaxRetryAge is %v: %v", e.Age.Round(time.Second), e.Limit, e.Err)
}

// Unwrap returns the error of the last attempt.
func (e *RetryAgeError) Unwrap() error { return e.Err }

// isGone says that an outcome could not be stored because its report was removed meanwhile; see Spool.Settle.
func isGone(err error) bool {
	var n interface{ NotFound() bool }
	return errors.As(err, &n) && n.NotFound()
}

// failure is what the retry loop wants to know of an error; see Uploader.
type failure struct {
	permanent, unavailable, unauthorized bool
	retryAfter                           time.Duration
	status                               int // of HTTP; 0: not known
}

// limited says that the receiver asked for fewer requests. One that is out of order may ask for a pause too.
func (f failure) limited() bool {
	return f.status == http.StatusTooManyRequests || f.status == 0 && f.retryAfter > 0
}

// invalid says that the receiver found the part itself at fault.
func (f failure) invalid() bool {
	switch f.status {
	case 0, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return f.permanent
	}
	return false
}

func classify(err error) (f failure) {
	var p interface{ Permanent() bool }
	if errors.As(err, &p) {
		f.permanent = p.Permanent()
	}
	var u interface{ Unavailable() bool }
	if errors.As(err, &u) {
		f.unavailable = u.Unavailable()
	}
	var a interface{ Unauthorized() bool }
	if errors.As(err, &a) {
		f.unauthorized = a.Unauthorized()
	}
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		f.retryAfter = r.RetryAfter()
	}
	var s interface{ HTTPStatus() int }
	if errors.As(err, &s) {
		f.status = s.HTTPStatus()
	}
	return f
}
