package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// badRequest is an error of the request's content.
type badRequest struct{ err error }

func (e *badRequest) Error() string { return e.err.Error() }
func (e *badRequest) Unwrap() error { return e.err }

func badRequestf(format string, args ...any) error { return &badRequest{fmt.Errorf(format, args...)} }

// limitError is returned for a request that exceeds one of Limits.
type limitError struct {
	what     string
	max, got int
}

func (e *limitError) Error() string {
	return fmt.Sprintf("%s: %d exceeds the limit of %d", e.what, e.got, e.max)
}

// notFoundError is returned for a path or object that does not exist.
type notFoundError struct{ what string }

func (e *notFoundError) Error() string { return e.what }

// ConflictError is returned for a part or command that contradicts what is stored.
type ConflictError struct{ Reason string }

func (e *ConflictError) Error() string { return e.Reason }

// asBad returns errors that name an exceeded limit unchanged. Any other error of decoding is a bad request.
func asBad(err error) error {
	if errors.As(err, new(*codec.LimitError)) || errors.As(err, new(*limitError)) {
		return err
	}
	return &badRequest{err}
}

// refusal is the answer to a request that failed.
type refusal struct {
	status     int
	code       string
	retryAfter int            // seconds; 0 omits the header
	details    map[string]any // may be nil
	rejected   bool           // the content of the request is to blame: it is counted as rejected
	close      bool           // close the connection
}

// refusalOf returns the answer that makes the client do the right thing after err.
func refusalOf(err error) refusal {
	var (
		busy     *busyError
		store    *storeError
		missing  *notFoundError
		bound    *codec.LimitError
		limit    *limitError
		conflict *ConflictError
		behind   *auditBehindError
		forked   *auditForkError
		id       *report.IDError
		bad      *badRequest
	)
	switch {
	case errors.As(err, &busy):
		return refusal{status: http.StatusTooManyRequests, code: ingest.CodeTooMany, retryAfter: 1}
	case sqlitedb.IsNoSpace(err): // an operator has to make room
		return refusal{status: http.StatusServiceUnavailable, code: ingest.CodeFull, retryAfter: 30}
	case errors.As(err, &store):
		return refusal{status: http.StatusServiceUnavailable, code: ingest.CodeUnavailable, retryAfter: 1}
	case errors.Is(err, errIncompleteBody), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refusal{status: http.StatusRequestTimeout, code: ingest.CodeTimeout, close: true}
	case errors.As(err, &missing):
		return refusal{status: http.StatusNotFound, code: ingest.CodeNotFound}
	case errors.As(err, &bound):
		return refusal{status: http.StatusRequestEntityTooLarge, code: ingest.CodeTooLarge, rejected: true,
			details: map[string]any{"field": bound.Field, "limit": bound.Bound}}
	case errors.As(err, &limit):
		return refusal{status: http.StatusRequestEntityTooLarge, code: ingest.CodeTooLarge, rejected: true,
			details: map[string]any{"field": limit.what, "limit": limit.max}}
	case errors.As(err, &behind):
		return refusal{status: http.StatusConflict, code: ingest.CodeAuditBehind, details: map[string]any{"seq": behind.Have}}
	case errors.As(err, &forked):
		return refusal{status: http.StatusConflict, code: ingest.CodeAuditForked, rejected: true,
			details: map[string]any{"seq": forked.Have, "line": forked.Seq}}
	case errors.As(err, &conflict):
		return refusal{status: http.StatusConflict, code: ingest.CodeConflict, rejected: true}
	case errors.As(err, &id), errors.As(err, &bad):
		return refusal{status: http.StatusBadRequest, code: ingest.CodeBadRequest, rejected: true}
	}
	return refusal{status: http.StatusInternalServerError, code: "INTERNAL_ERROR"}
}

// fail answers a request of a tenant that failed.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, t *Tenant, err error) {
	no := refusalOf(err)
	h.refuse(w, r, t.name, no, err.Error())
	if no.rejected {
		t.reject()
	}
	if fork, ok := errors.AsType[*auditForkError](err); ok {
		h.sink.Record(event.Event{Type: event.ValidationError, Severity: event.Critical, TenantID: t.name, AgentID: agentOf(r),
			Message: "audit log of an agent differs from its stored copy", Error: err.Error(), Details: map[string]any{"seq": fork.Seq, "have": fork.Have}})
	}
}

// refuse answers with the platform's error object and records an event.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, tenant string, no refusal, message string) {
	var b wire.ErrorBody
	b.Error.Code, b.Error.Message = no.code, wire.Clip(message, wire.MaxMessage)
	if no.details != nil {
		b.Error.Details, _ = json.Marshal(no.details) // strings and numbers never fail
	}
	if no.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retryAfter))
	}
	if no.close {
		w.Header().Set("Connection", "close")
	}
	reply(w, no.status, b)
	e := event.Event{Type: event.ValidationError, Severity: event.Warn, TenantID: tenant, Message: "request refused",
		AgentID: agentOf(r), Error: b.Error.Message,
		Details: map[string]any{"status": no.status, "code": no.code, "path": wire.Clip(r.URL.Path, 256), "size": r.ContentLength}}
	switch {
	case no.status == http.StatusUnauthorized:
		e.Type = event.AuthFailed
	case no.status == http.StatusTooManyRequests:
		e.Type = event.RateLimited
	case no.status >= 500:
		e.Type, e.Severity = event.AgentError, event.Error
	}
	h.sink.Record(e)
}

// agentOf returns the agent that a request names, shortened.
func agentOf(r *http.Request) string { return wire.Clip(r.Header.Get(wire.HeaderAgent), 256) }
