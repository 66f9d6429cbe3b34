package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/httpx"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// The codes of refusals, as the platform spells them. The last four are set by a Client itself.
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
	CodeFull         = "INSUFFICIENT_STORAGE" // sent with 503, on which every client pauses

	CodeInvalidPart = "INVALID_PART" // the part cannot be sent
	CodeNoToken     = "NO_TOKEN"     // TokenSource returned none
	CodeBadAnswer   = "BAD_ANSWER"   // a success without a body of the protocol: a proxy or portal answered
	CodeRedirect    = "REDIRECT"     // a redirect to another host, where the token must not go
)

// Error is the error of every call of a Client. Its methods classify it for a retry loop:
//
//	status                          meaning
//	400 404 409 413 422, other 4xx  Permanent: the same request will never be accepted
//	401 403                         Unauthorized: the credentials are wrong, whatever the part
//	429 5xx, no answer              Unavailable: not reached, overloaded or broken, whatever the part
//	408 425                         none of these: try again
type Error struct {
	Op      string          // method and path
	Status  int             // HTTP status; 0 without an answer
	Code    string          // the receiver's code, or one of the Code constants
	Message string          // the receiver's message, shortened
	Details json.RawMessage // the receiver's details; may be nil
	After   time.Duration   // Retry-After, at most ClientConfig.MaxRetryAfter; 0 if absent
	Err     error           // the cause without an answer
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

// Permanent reports whether the same request will never be accepted.
func (e *Error) Permanent() bool {
	if e.Status == 0 {
		return e.Code == CodeInvalidPart
	}
	return httpx.Classify(e.Status).Permanent()
}

// Unauthorized reports whether the credentials were refused, or there are none.
func (e *Error) Unauthorized() bool {
	return e.Code == CodeNoToken || httpx.Classify(e.Status) == httpx.Unauthorized
}

// Unavailable reports whether the receiver was not reached, is overloaded or broken, or something else answered in its
// place. A pipeline finds out by itself whether a single part is the reason.
func (e *Error) Unavailable() bool {
	if e.Status == 0 {
		return e.Code == "" && !errors.Is(e.Err, context.Canceled)
	}
	return e.Code == CodeBadAnswer || httpx.Classify(e.Status) == httpx.Unavailable
}

// RetryAfter returns how long the receiver asked to wait, or how long the cause asks to wait, such as an open circuit
// breaker in the transport, whichever is longer. It returns 0 if neither does.
func (e *Error) RetryAfter() time.Duration {
	var cause interface{ RetryAfter() time.Duration }
	if errors.As(e.Err, &cause) {
		return max(e.After, cause.RetryAfter())
	}
	return e.After
}

// HTTPStatus returns the status of the answer, or 0 without an answer.
func (e *Error) HTTPStatus() int { return e.Status }

// statusError returns the Error for an answer that is not a success.
func (c *Client) statusError(op string, resp *http.Response, body []byte) *Error {
	e := &Error{Op: op, Status: resp.StatusCode, After: httpx.RetryAfter(resp.Header.Get("Retry-After"), time.Now(), c.cfg.MaxRetryAfter)}
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
