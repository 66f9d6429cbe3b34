package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// The codes of refusals, as the platform spells them, and below them those that a Client gives itself.
const (
	CodeBadRequest   = "BAD_REQUEST"
	CodeUnauthorized = "UNAUTHORIZED"
	CodeNotFound     = "NOT_FOUND"
	CodeMethod       = "METHOD_NOT_ALLOWED"
	CodeTimeout      = "REQUEST_TIMEOUT"
	CodeConflict     = "CONFLICT"
	CodeTooLarge     = "PAYLOAD_TOO_LARGE"
	CodeTooMany      = "TOO_MANY_REQUESTS"
	CodeUnavailable  = "SERVICE_UNAVAILABLE"
	CodeFull         = "INSUFFICIENT_STORAGE" // comes with 503, which every client takes for a pause

	CodeInvalidPart = "INVALID_PART" // the part cannot be sent as it is
	CodeNoToken     = "NO_TOKEN"     // TokenSource gave none
	CodeBadAnswer   = "BAD_ANSWER"   // the status says yes, the body is not the protocol's: a proxy or portal answered
	CodeRedirect    = "REDIRECT"     // the answer points to another place, where the token must not go
)

// Error is how every call of a Client fails. Its methods say what a caller may do about it:
//
//	status                          meaning
//	400 404 409 413 422, other 4xx  Permanent: the same request will never be taken
//	401 403                         Unauthorized: the credentials are wrong, which says nothing of the part
//	429 5xx, no answer              Unavailable: not reached, overloaded or broken, which says nothing of the part
//	408 425                         none of them: try again
type Error struct {
	Op      string          // method and path
	Status  int             // HTTP status; 0: there was no answer
	Code    string          // the receiver's code, or one of the Code constants
	Message string          // the receiver's message, shortened
	Details json.RawMessage // the receiver's details, may be nil
	After   time.Duration   // Retry-After, capped by ClientConfig.MaxRetryAfter; 0: none
	Err     error           // the cause when there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d %s", e.Status, http.StatusText(e.Status))
	}
	for _, s := range []string{e.Code, e.Message} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent says that the same request will never be taken.
func (e *Error) Permanent() bool {
	switch e.Status {
	case 0:
		return e.Code == CodeInvalidPart
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Status >= 400 && e.Status < 500
}

// Unauthorized says that the credentials were refused, or that there are none.
func (e *Error) Unauthorized() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Code == CodeNoToken
}

// Unavailable says that the receiver was not reached, is overloaded or broken, or that something else answered for it. A
// pipeline notices where it is one part alone that breaks it.
func (e *Error) Unavailable() bool {
	switch e.Status {
	case 0:
		return e.Code == "" && !errors.Is(e.Err, context.Canceled)
	case http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500 || e.Code == CodeBadAnswer || e.Code == CodeRedirect
}

// RetryAfter returns how long the receiver asked to wait, or what kept the request from it, e.g. a circuit breaker in
// the transport; 0 when neither did.
func (e *Error) RetryAfter() time.Duration {
	var cause interface{ RetryAfter() time.Duration }
	if e.After == 0 && errors.As(e.Err, &cause) {
		return cause.RetryAfter()
	}
	return e.After
}

// HTTPStatus returns the status of the answer, 0 when there was none.
func (e *Error) HTTPStatus() int { return e.Status }

// statusError turns an answer that is no success into an Error.
func (c *Client) statusError(op string, resp *http.Response, body []byte) *Error {
	e := &Error{Op: op, Status: resp.StatusCode, After: c.retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	if resp.StatusCode/100 == 3 {
		e.Code, e.Message = CodeRedirect, "redirect to "+wire.Clip(resp.Header.Get("Location"), wire.MaxMessage)+" not followed"
		return e
	}
	var b wire.ErrorBody
	if json.Unmarshal(body, &b) == nil && (b.Error.Code != "" || b.Error.Message != "") {
		e.Code, e.Message, e.Details = wire.Clip(b.Error.Code, 64), wire.Clip(b.Error.Message, wire.MaxMessage), b.Error.Details
		return e
	}
	e.Message = wire.Clip(strings.TrimSpace(string(body)), 200)
	return e
}

// retryAfter reads seconds or an HTTP date; anything else, and the past, is 0.
func (c *Client) retryAfter(v string, now time.Time) time.Duration {
	limit := c.cfg.MaxRetryAfter
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if n > int64(limit/time.Second) {
			return limit
		}
		return max(time.Duration(n)*time.Second, 0)
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), limit)
}
