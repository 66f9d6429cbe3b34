package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/ingest"
)

// Check reports for which fingerprints the tenant has visible findings, on any asset.
func (t *Tenant) Check(ctx context.Context, fingerprints []string) (*ingest.CheckResult, error) {
	out := &ingest.CheckResult{Existing: []string{}, Missing: []string{}}
	for _, fp := range fingerprints {
		from := identOf(fp, "")
		to := from
		for i := identPrefix; i < len(from); i++ {
			from[i], to[i] = 0, 0xff
		}
		var one int
		err := t.store.db.Row(ctx, `SELECT 1 FROM tenant t JOIN finding f ON f.tenant = t.id
			WHERE t.name = ? AND f.ident >= ? AND f.ident <= ? LIMIT 1`, []any{t.name, from[:], to[:]}, &one)
		switch {
		case err == nil:
			out.Existing = append(out.Existing, fp)
		case errors.Is(err, sql.ErrNoRows):
			out.Missing = append(out.Missing, fp)
		default:
			return nil, fmt.Errorf("check fingerprints: %w", err)
		}
	}
	return out, nil
}
