package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/pkg/event"
)

func (s *Store) open(ctx context.Context) (err error) {
	if s.cfg.ReadOnly {
		if _, err := os.Stat(s.cfg.Path); err != nil {
			return fmt.Errorf("open store: %w", err)
		}
	} else if err := s.openWriter(ctx); err != nil {
		return err
	}
	s.read, err = sql.Open("sqlite", dsn(s.cfg.Path, "query_only(1)"))
	if err != nil {
		return fmt.Errorf("open store %s: %w", s.cfg.Path, err)
	}
	s.read.SetMaxOpenConns(4)
	var v int
	if err := s.read.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return fmt.Errorf("open store %s: %w", s.cfg.Path, err)
	}
	if v > schemaVersion {
		return &VersionError{s.cfg.Path, v, schemaVersion}
	}
	if v == 0 {
		return fmt.Errorf("open store %s: it is no ingest store", s.cfg.Path)
	}
	return nil
}

// openWriter takes the file for this process alone. A damaged one is set aside, if it is one of ours.
func (s *Store) openWriter(ctx context.Context) error {
	path := s.cfg.Path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	_, err := os.Stat(path + ".lock")
	ours := err == nil // a store was here before: this is not somebody's text file
	if s.writer.lock, err = filelock.Acquire(path + ".lock"); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	err = s.connect(ctx)
	if err == nil || !ours || !isDamaged(err) {
		return err
	}
	aside, aerr := s.setAside()
	if aerr != nil {
		return errors.Join(err, aerr)
	}
	event.OrNop(s.cfg.Sink).Record(event.Event{Timestamp: s.now(), Type: event.AgentError, Severity: event.Critical,
		Message: "ingest store was damaged and is set aside, a new one begins empty", Error: err.Error(), Details: map[string]any{"path": path, "aside": aside}})
	return s.connect(ctx)
}

// connect opens the writer's connection and brings the schema up to date.
func (s *Store) connect(ctx context.Context) (err error) {
	path, w := s.cfg.Path, &s.writer
	if err := private(path); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	pragmas := []string{"cache_size(-8192)"}
	if s.cfg.MaxBytes > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count(%d)", s.cfg.MaxBytes/pageBytes))
	}
	if w.db, err = sql.Open("sqlite", dsn(path, pragmas...)); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	w.db.SetMaxOpenConns(1)
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	w.stmts = map[string]*sql.Stmt{}
	if err := quickCheck(ctx, w.conn); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	return migrate(ctx, w.conn, path)
}

// pageBytes is the size of a page of the file.
const pageBytes = 4096

// private makes the file for its owner alone. SQLite gives its side files the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// dsn carries the pragmas, since an executed one would hold for a single pooled connection. The driver runs them
// in alphabetical order.
func dsn(path string, pragmas ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/… becomes file:///C:/…
		path = "/" + path
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append(pragmas,
		"busy_timeout(5000)", "journal_mode(WAL)", "journal_size_limit(16777216)", "synchronous(FULL)")}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}
