package server

import (
	"context"
	"database/sql"
	"fmt"
)

// schemaVersion is kept in user_version; migrations[i] leads from version i to i+1.
const schemaVersion = 4

// What a part brings is only appended, to content and staged_item. It becomes visible when its report's last part
// is in: then finding gets a row for each, in the order of its index, so that each page of it is written once.
//
//	content  what one report says of one finding; severity sameAsBefore: what is visible already;
//	         known: the finding was visible when this came, and so it stays
//	finding  what is visible: for each (tenant, fingerprint, asset) the content of the last report
//	part     knows which rows of content it brought
var migrations = []string{`
CREATE TABLE tenant (
	id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
	reports INTEGER NOT NULL DEFAULT 0, parts INTEGER NOT NULL DEFAULT 0, findings INTEGER NOT NULL DEFAULT 0,
	duplicates INTEGER NOT NULL DEFAULT 0, repeated_parts INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
	assets INTEGER NOT NULL DEFAULT 0, dependencies INTEGER NOT NULL DEFAULT 0,
	bytes INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE report (
	id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, rev TEXT NOT NULL, report_id TEXT NOT NULL,
	total INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
	job_id TEXT NOT NULL, created INTEGER NOT NULL, touched INTEGER NOT NULL, completed INTEGER NOT NULL DEFAULT 0,
	UNIQUE (tenant, rev));
CREATE INDEX report_incomplete ON report (touched) WHERE completed = 0;
CREATE TABLE part (
	tenant INTEGER NOT NULL, key TEXT NOT NULL, sha256 BLOB NOT NULL, report INTEGER NOT NULL, idx INTEGER NOT NULL,
	content_from INTEGER NOT NULL, content_to INTEGER NOT NULL, answer TEXT NOT NULL,
	PRIMARY KEY (tenant, key)) WITHOUT ROWID;
CREATE UNIQUE INDEX part_by_place ON part (report, idx);
CREATE TABLE content (
	id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, ident BLOB NOT NULL, sum INTEGER NOT NULL, severity INTEGER NOT NULL,
	tool TEXT, rule TEXT, path TEXT, line INTEGER, title TEXT, asset TEXT, fingerprint TEXT, data BLOB);
CREATE INDEX content_by_severity ON content (tenant, severity);
CREATE TABLE finding (
	tenant INTEGER NOT NULL, ident BLOB NOT NULL, content INTEGER NOT NULL, sum INTEGER NOT NULL, report INTEGER NOT NULL,
	first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, seen INTEGER NOT NULL,
	PRIMARY KEY (tenant, ident)) WITHOUT ROWID;
CREATE TABLE item (
	tenant INTEGER NOT NULL, kind TEXT NOT NULL, ident BLOB NOT NULL, name TEXT NOT NULL, report INTEGER NOT NULL,
	first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, data BLOB NOT NULL,
	PRIMARY KEY (tenant, kind, ident)) WITHOUT ROWID;
CREATE TABLE staged_item (
	report INTEGER NOT NULL, kind TEXT NOT NULL, ident BLOB NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL,
	PRIMARY KEY (report, kind, ident)) WITHOUT ROWID;
CREATE TABLE command (
	id TEXT NOT NULL, tenant INTEGER NOT NULL, type TEXT NOT NULL, priority INTEGER NOT NULL, payload BLOB,
	status TEXT NOT NULL, agent TEXT NOT NULL DEFAULT '', result BLOB, created INTEGER NOT NULL, expires INTEGER NOT NULL,
	PRIMARY KEY (tenant, id));
CREATE INDEX command_pending ON command (tenant, priority DESC, created) WHERE status = 'pending';
`, `
ALTER TABLE report ADD COLUMN submitted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX report_by_name ON report (tenant, report_id, submitted);
ALTER TABLE content ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
`, `
ALTER TABLE part ADD COLUMN raw_sha256 BLOB NOT NULL DEFAULT x''; -- before compression; empty: of an earlier version
`, `
CREATE TABLE audit_log ( -- of one agent; its last line is the high-water mark
	id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, agent TEXT NOT NULL, seq INTEGER NOT NULL, chain TEXT NOT NULL,
	lines INTEGER NOT NULL DEFAULT 0, repeated INTEGER NOT NULL DEFAULT 0, breaks INTEGER NOT NULL DEFAULT 0,
	last_key TEXT NOT NULL DEFAULT '', last_lines INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL DEFAULT 0,
	UNIQUE (tenant, agent));
CREATE TABLE audit_line ( -- follows: its chain value goes on from the line stored before it
	log INTEGER NOT NULL, seq INTEGER NOT NULL, chain TEXT NOT NULL, follows INTEGER NOT NULL, data BLOB NOT NULL,
	PRIMARY KEY (log, seq)) WITHOUT ROWID;
`}

// VersionError says that a store was written by a later version of this package.
type VersionError struct {
	Path        string
	Found, Know int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("store %s has schema version %d, this program knows up to %d: use a newer one", e.Path, e.Found, e.Know)
}

func migrate(ctx context.Context, conn *sql.Conn, path string) error {
	var v int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	if v > schemaVersion {
		return &VersionError{path, v, schemaVersion}
	}
	for ; v < schemaVersion; v++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[v], v+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // the first error is the one to tell
			return fmt.Errorf("migrate store %s to version %d: %w", path, v+1, err)
		}
	}
	return nil
}
