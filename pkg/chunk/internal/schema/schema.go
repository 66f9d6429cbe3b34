// Package schema is the schema of the chunk store's database.
package schema

// States of a report and of a part. The numbers are on disk and never change.
const (
	ReportOpen      = 0 // being written; removed at the next start
	ReportPending   = 1
	ReportCompleted = 2
	ReportFailed    = 3 // finished with dead letters

	PartHeld     = 0 // its report is open
	PartWaiting  = 1
	PartUploaded = 2
	PartDead     = 3
)

// Migrations[i] brings a database from schema version i to i+1.
//
// The data is in a table of its own, because SQLite rewrites a whole row, blob included, when any column of it changes.
var Migrations = []string{`
CREATE TABLE reports (
	rid      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: an outcome may come after its report is gone
	tenant   TEXT    NOT NULL,
	id       TEXT    NOT NULL,
	rev      INTEGER NOT NULL,             -- 1, 2, … for other content under the same ID
	job      TEXT    NOT NULL,
	tool     TEXT    NOT NULL,
	priority INTEGER NOT NULL,
	state    INTEGER NOT NULL,
	content  BLOB,                         -- NULL while open
	parts    INTEGER NOT NULL DEFAULT 0,
	done     INTEGER NOT NULL DEFAULT 0,
	dead     INTEGER NOT NULL DEFAULT 0,
	findings INTEGER NOT NULL DEFAULT 0,
	assets   INTEGER NOT NULL DEFAULT 0,
	raw      INTEGER NOT NULL DEFAULT 0,   -- bytes before compression
	stored   INTEGER NOT NULL DEFAULT 0,   -- bytes after
	stamp    INTEGER NOT NULL,             -- metadata.timestamp, unix ns
	created  INTEGER NOT NULL,             -- unix ms, like all times below
	finished INTEGER NOT NULL DEFAULT 0,
	dest     TEXT    NOT NULL DEFAULT '',  -- Config.Destination when the last part was uploaded
	result   TEXT    NOT NULL DEFAULT '{}',
	UNIQUE (tenant, id, rev)
);
CREATE INDEX reports_state ON reports (state, finished);
CREATE TABLE parts (
	pid      INTEGER PRIMARY KEY,
	rid      INTEGER NOT NULL REFERENCES reports (rid) ON DELETE CASCADE,
	idx      INTEGER NOT NULL,
	state    INTEGER NOT NULL,
	priority INTEGER NOT NULL,
	due      INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	error    TEXT    NOT NULL DEFAULT '',
	encoding TEXT    NOT NULL,
	raw      INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	sha      BLOB    NOT NULL,
	findings INTEGER NOT NULL,
	assets   INTEGER NOT NULL,
	deps     INTEGER NOT NULL,
	oversize INTEGER NOT NULL,
	UNIQUE (rid, idx)
);
CREATE INDEX parts_next ON parts (priority DESC, pid, due) WHERE state = 1;
CREATE INDEX parts_oldest ON parts (pid, due) WHERE state = 1;
CREATE INDEX parts_due ON parts (due) WHERE state = 1;
CREATE TABLE blobs (
	pid  INTEGER PRIMARY KEY REFERENCES parts (pid) ON DELETE CASCADE,
	data BLOB NOT NULL
);
`, `
ALTER TABLE parts ADD COLUMN turn INTEGER NOT NULL DEFAULT 0; -- position in the upload order within its priority
ALTER TABLE parts ADD COLUMN keyid TEXT NOT NULL DEFAULT '';  -- names the key that encrypts its data; '': not encrypted
DROP INDEX parts_next;
DROP INDEX parts_oldest;
DROP INDEX parts_due;
CREATE INDEX parts_next ON parts (priority DESC, turn, pid, due) WHERE state = 1;
CREATE INDEX parts_oldest ON parts (turn, pid, due) WHERE state = 1;
CREATE INDEX parts_due ON parts (due) WHERE state = 1 AND due > 0;
`}
