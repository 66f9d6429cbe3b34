package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

var (
	// ErrStopped is returned after Stop was called or the context of Start was cancelled.
	ErrStopped = errors.New("pipeline is stopped")
	// ErrQueueFull is matched by the *QueueFullError with which a report is refused.
	ErrQueueFull = errors.New("upload queue is full")
)

// QueueFullError is returned when a report in memory would exceed QueueSize or MaxQueueBytes.
type QueueFullError struct {
	// Field is the setting that would be exceeded: QueueSize or MaxQueueBytes.
	Field string
	// Value is what the queue would hold with the report, and Bound is the setting.
	Value, Bound int64
}

func (e *QueueFullError) Error() string {
	return fmt.Sprintf("%v: %s would be %d, the bound is %d", ErrQueueFull, e.Field, e.Value, e.Bound)
}

// Is reports whether target is ErrQueueFull.
func (e *QueueFullError) Is(target error) bool { return target == ErrQueueFull }

// UnsentError is returned by Stop. It names every report that was only in memory and ended because there was no time for
// an attempt, or for another one. OnFailed was called for each of them with ErrStopped.
type UnsentError struct{ ReportIDs []string }

func (e *UnsentError) Error() string {
	const most = 5
	list := strings.Join(e.ReportIDs[:min(most, len(e.ReportIDs))], ", ")
	if len(e.ReportIDs) > most {
		list += ", …"
	}
	if len(e.ReportIDs) == 1 {
		return "1 report was not uploaded: " + list
	}
	return fmt.Sprintf("%d reports were not uploaded: %s", len(e.ReportIDs), list)
}

// RetryAgeError is the reason why a part was not tried again although it had retries left. As a dead letter it has one
// attempt each time it is retried.
type RetryAgeError struct {
	// Age is the time since the report was submitted, and Limit is MaxRetryAge.
	Age, Limit time.Duration
	// Err is the error of the last attempt.
	Err error
}

func (e *RetryAgeError) Error() string {
	return fmt.Sprintf("%v after submission, MaxRetryAge is %v: %v", e.Age.Round(time.Second), e.Limit, e.Err)
}

// Unwrap returns the error of the last attempt.
func (e *RetryAgeError) Unwrap() error { return e.Err }

// uploadError is an error of an Uploader with the methods that steer what happens next.
type uploadError struct {
	error
	permanent, unavailable, unauthorized bool
	retryAfter                           time.Duration
}

func (e *uploadError) Unwrap() error             { return e.error }
func (e *uploadError) Permanent() bool           { return e.permanent }
func (e *uploadError) Unavailable() bool         { return e.unavailable }
func (e *uploadError) Unauthorized() bool        { return e.unauthorized }
func (e *uploadError) RetryAfter() time.Duration { return e.retryAfter }

// Permanent returns err as the error of a part that the receiver will never accept: it is not tried again. It returns nil
// if err is nil.
func Permanent(err error) error { return steer(err, uploadError{permanent: true}) }

// Unavailable returns err as the error of a receiver that was not reached, which is not the fault of the part: in a
// durable spool it waits for as long as that lasts. It returns nil if err is nil.
func Unavailable(err error) error { return steer(err, uploadError{unavailable: true}) }

// RetryAfter returns err as the error of a receiver that asks for a pause: no part is tried again before d has passed. It
// is otherwise like Unavailable. It returns nil if err is nil.
func RetryAfter(err error, d time.Duration) error {
	return steer(err, uploadError{unavailable: true, retryAfter: d})
}

// Unauthorized returns err as the error of a receiver that refuses the credentials: uploads pause, and no part fails
// because of it. It returns nil if err is nil.
func Unauthorized(err error) error { return steer(err, uploadError{unauthorized: true}) }

func steer(err error, e uploadError) error {
	if err == nil {
		return nil
	}
	e.error = err
	return &e
}

// isGone reports whether an outcome could not be stored because the report was removed; see Spool.Settle.
func isGone(err error) bool {
	var n interface{ NotFound() bool }
	return errors.As(err, &n) && n.NotFound()
}

// failure is what the error of an upload means; see Uploader.
type failure struct {
	permanent, unavailable, unauthorized bool
	retryAfter                           time.Duration
	status                               int // HTTP status; 0: unknown
}

// limited reports whether the receiver asks for fewer requests. A receiver with a server error may ask for a pause too.
func (f failure) limited() bool {
	return f.status == http.StatusTooManyRequests || f.status == 0 && f.retryAfter > 0
}

// invalid reports whether the receiver found the part itself at fault.
func (f failure) invalid() bool {
	switch f.status {
	case 0, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return f.permanent
	}
	return false
}

func classify(err error) (f failure) {
	var p interface{ Permanent() bool }
	f.permanent = errors.As(err, &p) && p.Permanent()
	var u interface{ Unavailable() bool }
	f.unavailable = errors.As(err, &u) && u.Unavailable()
	var a interface{ Unauthorized() bool }
	f.unauthorized = errors.As(err, &a) && a.Unauthorized()
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
