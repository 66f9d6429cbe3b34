package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only a value of ours that cannot be JSON, e.g. stored text that is none
		http.Error(w, "answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the sender may be gone; what it asked for is done
}

// refuse answers with the platform's error object, and tells the sink.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, tenant string, status int, code, message string, details any) {
	var b wire.ErrorBody
	b.Error.Code, b.Error.Message = code, wire.Clip(message, wire.MaxMessage)
	if details != nil {
		b.Error.Details, _ = json.Marshal(details) // maps of strings and numbers
	}
	reply(w, status, b)
	e := event.Event{Type: event.ValidationError, Severity: event.Warn, TenantID: tenant, Message: "request refused",
		AgentID: wire.Clip(r.Header.Get(wire.HeaderAgent), 256), Error: b.Error.Message,
		Details: map[string]any{"status": status, "code": code, "path": wire.Clip(r.URL.Path, 256), "size": r.ContentLength}}
	switch {
	case status == http.StatusUnauthorized:
		e.Type = event.AuthFailed
	case status == http.StatusTooManyRequests:
		e.Type = event.RateLimited
	case status >= 500:
		e.Type, e.Severity = event.AgentError, event.Error
	}
	h.sink.Record(e)
}

// fail answers an error with the status that tells the sender what to do. What the request's content deserves is
// counted as rejected; what happened to the server is not.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, t *Tenant, err error) {
	var (
		busy     *busyError
		size     *sizeError
		bound    *codec.LimitError
		many     *limitError
		conflict *ConflictError
		id       *report.IDError
		bad      *badRequest
	)
	switch {
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", "1")
		h.refuse(w, r, t.name, http.StatusTooManyRequests, ingest.CodeTooMany, err.Error(), nil)
		return
	case isFull(err):
		w.Header().Set("Retry-After", "30") // somebody has to make room
		h.refuse(w, r, t.name, http.StatusServiceUnavailable, ingest.CodeFull, err.Error(), nil)
		return
	case errors.Is(err, ErrStoreClosed), errors.As(err, new(*storeError)):
		w.Header().Set("Retry-After", "1")
		h.refuse(w, r, t.name, http.StatusServiceUnavailable, ingest.CodeUnavailable, err.Error(), nil)
		return
	case errors.Is(err, errCut), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Connection", "close")
		h.refuse(w, r, t.name, http.StatusRequestTimeout, ingest.CodeTimeout, err.Error(), nil)
		return
	case errors.As(err, &size):
		h.refuse(w, r, t.name, http.StatusRequestEntityTooLarge, ingest.CodeTooLarge, err.Error(), map[string]any{"limit": size.max})
	case errors.As(err, &bound):
		h.refuse(w, r, t.name, http.StatusRequestEntityTooLarge, ingest.CodeTooLarge, err.Error(),
			map[string]any{"field": bound.Field, "limit": bound.Bound})
	case errors.As(err, &many):
		h.refuse(w, r, t.name, http.StatusRequestEntityTooLarge, ingest.CodeTooLarge, err.Error(),
			map[string]any{"field": many.what, "limit": many.max})
	case errors.As(err, &conflict):
		h.refuse(w, r, t.name, http.StatusConflict, ingest.CodeConflict, err.Error(), nil)
	case errors.As(err, &id), errors.As(err, &bad):
		h.refuse(w, r, t.name, http.StatusBadRequest, ingest.CodeBadRequest, err.Error(), nil)
	default:
		h.refuse(w, r, t.name, http.StatusInternalServerError, "INTERNAL_ERROR", err.Error(), nil)
		return
	}
	t.reject()
}

// badRequest marks an error as the sender's.
type badRequest struct{ err error }

func (e *badRequest) Error() string { return e.err.Error() }
func (e *badRequest) Unwrap() error { return e.err }

// storeError marks an error of the database: the part is as good as before, and may come again.
type storeError struct{ err error }

func (e *storeError) Error() string { return "store: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }
