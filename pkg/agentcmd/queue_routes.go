package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
	"github.com/rediverio/sdk/pkg/chunk"
)

// queueEntry is one report with its parts.
type queueEntry struct {
	Revisions []chunk.ReportInfo `json:"revisions"`
	Parts     []chunk.PartInfo   `json:"parts"`
}

// queueRoutes serves the store to the queue verbs, over all tenants: a user who may read the file may read all of it.
func queueRoutes(mux *http.ServeMux, m *chunk.Manager) {
	mux.HandleFunc("GET /queue", control.Answer(func(r *http.Request) (any, error) { return listQueue(r.Context(), m) }))
	mux.HandleFunc("POST /rekey", control.Answer(func(r *http.Request) (any, error) { return m.Rekey(r.Context()) }))
	// of serves the result of f for the report that the request names.
	of := func(pattern string, f func(ctx context.Context, s *chunk.Storage, id string) (any, error)) {
		mux.HandleFunc(pattern, control.Answer(func(r *http.Request) (any, error) {
			id := r.PathValue("id")
			s, err := tenantOf(r.Context(), m, id)
			if err != nil {
				return nil, err
			}
			return f(r.Context(), s, id)
		}))
	}
	of("GET /queue/{id}", func(ctx context.Context, s *chunk.Storage, id string) (any, error) {
		revisions, err := s.Report(ctx, id)
		if err != nil {
			return nil, err
		}
		parts, err := s.Parts(ctx, id)
		return &queueEntry{revisions, parts}, err
	})
	of("POST /queue/{id}/retry", func(ctx context.Context, s *chunk.Storage, id string) (any, error) { return s.RetryDead(ctx, id) })
	of("POST /queue/{id}/drop", func(ctx context.Context, s *chunk.Storage, id string) (any, error) { return s.Drop(ctx, id) })
	mux.HandleFunc("GET /queue/{id}/export", func(w http.ResponseWriter, r *http.Request) {
		id, body := r.PathValue("id"), &startedWriter{ResponseWriter: w}
		s, err := tenantOf(r.Context(), m, id)
		if err == nil {
			_, err = s.Export(r.Context(), id, body)
		}
		if err != nil && body.started {
			panic(http.ErrAbortHandler) // the client must not take what it has for all of it
		} else if err != nil {
			control.Fail(w, err)
		}
	})
}

// maxListed bounds how many reports queue list shows of one tenant.
const maxListed = 10_000

func listQueue(ctx context.Context, m *chunk.Manager) ([]chunk.ReportInfo, error) {
	tenants, err := m.Tenants(ctx)
	out := []chunk.ReportInfo{}
	for _, t := range tenants {
		infos, err := m.Tenant(t).Reports(ctx, maxListed, chunk.StatePending, chunk.StateFailed)
		if err != nil {
			return nil, err
		}
		out = append(out, infos...)
	}
	return out, err
}

// tenantOf returns the storage of the tenant that has the report.
func tenantOf(ctx context.Context, m *chunk.Manager, id string) (*chunk.Storage, error) {
	tenants, err := m.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		if _, err := m.Tenant(t).Report(ctx, id); !errors.Is(err, chunk.ErrNotFound) {
			return m.Tenant(t), err
		}
	}
	return nil, fmt.Errorf("report %s: %w", id, chunk.ErrNotFound)
}

// startedWriter records whether anything was written.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *startedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}
