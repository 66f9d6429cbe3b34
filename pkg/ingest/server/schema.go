package server

// migrations is the schema: migrations[i] leads from version i to i+1.
//
// The items of a part are appended to content and staged_item. They become visible when the last part of the report has
// arrived: then each finding gets a row in the table finding, in the order of its index, so that each page is written once.
//
//	content  a finding as one report describes it. Severity unchanged stands for the content that is visible already.
//	         known is set if the finding was visible when the content arrived; findings stay visible.
//	finding  the visible findings: for each (tenant, fingerprint, asset) the content of the last report
//	part     the parts that were accepted, each with its range of rows in content
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
CREATE TABLE audit_line ( -- follows: its chain value continues the line stored before it
	log INTEGER NOT NULL, seq INTEGER NOT NULL, chain TEXT NOT NULL, follows INTEGER NOT NULL, data BLOB NOT NULL,
	PRIMARY KEY (log, seq)) WITHOUT ROWID;
`, `
CREATE TABLE agent ( -- its last heartbeat
	tenant INTEGER NOT NULL, name TEXT NOT NULL, seen INTEGER NOT NULL, heartbeat BLOB NOT NULL,
	PRIMARY KEY (tenant, name)) WITHOUT ROWID;
`}
