package agentcmd

import (
	"context"
	"errors"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan"
)

// diskGuard runs no scanner while the disk of the state directory is nearly full: what it would write could be the
// last bytes that the store and the audit log need.
type diskGuard struct {
	*scan.Runner
	space *limits.Space
	dir   string // on that disk
	sink  event.Sink
}

// Scan checks the disk first. The job is tried again later, for space may be freed.
func (g *diskGuard) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	if err := g.space.Check(); err != nil {
		g.warn(req, err)
		return nil, &passingError{err}
	}
	return g.Runner.Scan(ctx, req, open)
}

func (g *diskGuard) warn(req scan.Request, err error) {
	e := event.Event{Type: event.ResourceWarning, Severity: event.Warn, TenantID: req.TenantID, JobID: req.JobID,
		Message: "no scan is begun: the disk is nearly full", Error: err.Error()}
	var limit *limits.ErrLimit
	if errors.As(err, &limit) {
		e.Details = map[string]any{"resource": "disk", "value": limit.Value, "limit": limit.Bound, "unit": "MiB", "path": g.dir}
	}
	g.sink.Record(e)
}

// passingError is a failure of the moment.
type passingError struct{ error }

func (e *passingError) Unwrap() error   { return e.error }
func (e *passingError) Temporary() bool { return true }
