package main

import (
	"context"

	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan"
)

// diskGuard runs no scanner while the disk of the state directory is nearly full: what it would write could be the
// last bytes that the store and the audit log need.
type diskGuard struct {
	*scan.Runner
	limits limits.FileSystemLimits
	dir    string
}

// Scan checks the disk first. The job is tried again later, for space may be freed.
func (g *diskGuard) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	if err := g.limits.FreeSpace(g.dir); err != nil {
		return nil, &passingError{err}
	}
	return g.Runner.Scan(ctx, req, open)
}

// passingError is a failure of the moment.
type passingError struct{ error }

func (e *passingError) Unwrap() error   { return e.error }
func (e *passingError) Temporary() bool { return true }
