package agentcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/rediverio/sdk/pkg/chunk"
)

// queue is what the queue verbs work on: the store itself, or a running daemon that holds it.
type queue interface {
	list(ctx context.Context) ([]chunk.ReportInfo, error)
	show(ctx context.Context, id string) (*queueEntry, error)
	retry(ctx context.Context, id string) (int, error)
	drop(ctx context.Context, id string) (int, error)
	export(ctx context.Context, id string, w io.Writer) error
	rekey(ctx context.Context) (int64, error)
}

// queueEntry is one report with its parts.
type queueEntry struct {
	Revisions []chunk.ReportInfo `json:"revisions"`
	Parts     []chunk.PartInfo   `json:"parts"`
}

// storeQueue works on the open store, over all tenants: who may read the file is its operator.
type storeQueue struct{ m *chunk.Manager }

// maxListed bounds what queue list shows of one tenant.
const maxListed = 10_000

func (q *storeQueue) list(ctx context.Context) ([]chunk.ReportInfo, error) {
	tenants, err := q.m.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	out := []chunk.ReportInfo{}
	for _, t := range tenants {
		infos, err := q.m.Tenant(t).Reports(ctx, maxListed, chunk.StatePending, chunk.StateFailed)
		if err != nil {
			return nil, err
		}
		out = append(out, infos...)
	}
	return out, nil
}

// owner finds the tenant that has the report.
func (q *storeQueue) owner(ctx context.Context, id string) (*chunk.Storage, []chunk.ReportInfo, error) {
	tenants, err := q.m.Tenants(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range tenants {
		infos, err := q.m.Tenant(t).Report(ctx, id)
		if err == nil {
			return q.m.Tenant(t), infos, nil
		}
		if !errors.Is(err, chunk.ErrNotFound) {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("report %s: %w", id, chunk.ErrNotFound)
}

func (q *storeQueue) show(ctx context.Context, id string) (*queueEntry, error) {
	s, infos, err := q.owner(ctx, id)
	if err != nil {
		return nil, err
	}
	parts, err := s.Parts(ctx, id)
	return &queueEntry{infos, parts}, err
}

func (q *storeQueue) retry(ctx context.Context, id string) (int, error) {
	s, _, err := q.owner(ctx, id)
	if err != nil {
		return 0, err
	}
	return s.RetryDead(ctx, id)
}

func (q *storeQueue) drop(ctx context.Context, id string) (int, error) {
	s, _, err := q.owner(ctx, id)
	if err != nil {
		return 0, err
	}
	return s.Drop(ctx, id)
}

func (q *storeQueue) export(ctx context.Context, id string, w io.Writer) error {
	s, _, err := q.owner(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.Export(ctx, id, w)
	return err
}

func (q *storeQueue) rekey(ctx context.Context) (int64, error) { return q.m.Rekey(ctx) }

// queueRoutes serves a queue to remoteQueue.
func queueRoutes(mux *http.ServeMux, q queue) {
	mux.HandleFunc("GET /queue", func(w http.ResponseWriter, r *http.Request) {
		v, err := q.list(r.Context())
		answer(w, v, err)
	})
	mux.HandleFunc("GET /queue/{id}", func(w http.ResponseWriter, r *http.Request) {
		v, err := q.show(r.Context(), r.PathValue("id"))
		answer(w, v, err)
	})
	mux.HandleFunc("GET /queue/{id}/export", func(w http.ResponseWriter, r *http.Request) {
		body := &startedWriter{ResponseWriter: w}
		if err := q.export(r.Context(), r.PathValue("id"), body); err != nil && body.started {
			panic(http.ErrAbortHandler) // so that the client knows it is not all
		} else if err != nil {
			answer(w, nil, err)
		}
	})
	mux.HandleFunc("POST /rekey", func(w http.ResponseWriter, r *http.Request) {
		n, err := q.rekey(r.Context())
		answer(w, n, err)
	})
	for verb, f := range map[string]func(context.Context, string) (int, error){"retry": q.retry, "drop": q.drop} {
		mux.HandleFunc("POST /queue/{id}/"+verb, func(w http.ResponseWriter, r *http.Request) {
			n, err := f(r.Context(), r.PathValue("id"))
			answer(w, n, err)
		})
	}
}

// startedWriter knows whether anything was written.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *startedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// remoteQueue asks the daemon that holds the store.
type remoteQueue struct{ c *controlClient }

func (q *remoteQueue) list(ctx context.Context) (out []chunk.ReportInfo, err error) {
	err = q.c.get(ctx, "/queue", &out)
	return out, err
}

func (q *remoteQueue) show(ctx context.Context, id string) (*queueEntry, error) {
	var e queueEntry
	return &e, q.c.get(ctx, "/queue/"+url.PathEscape(id), &e)
}

func (q *remoteQueue) retry(ctx context.Context, id string) (n int, err error) {
	err = q.c.do(ctx, http.MethodPost, "/queue/"+url.PathEscape(id)+"/retry", &n)
	return n, err
}

func (q *remoteQueue) drop(ctx context.Context, id string) (n int, err error) {
	err = q.c.do(ctx, http.MethodPost, "/queue/"+url.PathEscape(id)+"/drop", &n)
	return n, err
}

func (q *remoteQueue) export(ctx context.Context, id string, w io.Writer) error {
	return q.c.stream(ctx, http.MethodGet, "/queue/"+url.PathEscape(id)+"/export", func(body io.Reader) error {
		_, err := io.Copy(w, body)
		return err
	})
}

func (q *remoteQueue) rekey(ctx context.Context) (n int64, err error) {
	err = q.c.stream(ctx, http.MethodPost, "/rekey", func(body io.Reader) error { return json.NewDecoder(body).Decode(&n) })
	return n, err
}
