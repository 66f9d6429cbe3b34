package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// Migrate brings the schema up to date, each step in one transaction with its version.
func Migrate(ctx context.Context, c *sql.Conn, path string, migrations []string) error {
	var have int
	if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > len(migrations) {
		return &SchemaError{Path: path, Have: have, Max: len(migrations)}
	}
	for v := have; v < len(migrations); v++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[v], v+1)
		if _, err := c.ExecContext(ctx, step); err != nil {
			_, _ = c.ExecContext(ctx, "ROLLBACK") // the first error is the one to report
			return fmt.Errorf("migrate to schema version %d: %w", v+1, err)
		}
	}
	return nil
}

// checkVersion refuses a database that is opened read-only and has another schema.
func checkVersion(d *sql.DB, cfg Config) error {
	if !cfg.ReadOnly {
		return nil
	}
	var have int
	if err := d.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > len(cfg.Migrations) {
		return &SchemaError{Path: cfg.Path, Have: have, Max: len(cfg.Migrations)}
	}
	if have == 0 {
		return errors.New("not a database of this program")
	}
	return nil
}

// quickCheck looks for damage before anything relies on the file, for at most the given time.
func quickCheck(ctx context.Context, conn *sql.Conn, most time.Duration) error {
	if most == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := Check(ctx, conn)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Check runs a quick_check. It returns a *CorruptError, or SQLite's error, if the database is damaged.
func Check(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return &CorruptError{verdict}
	}
	return nil
}

// Rename renames a database with its write-ahead log and index, for example to keep a damaged one. The database must not
// be open.
func Rename(from, to string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(from+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
