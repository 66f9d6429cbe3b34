package audit

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
)

// LoggerConfig describes where the log is written, and how far it may grow or lag behind. A zero field means its default.
type LoggerConfig struct {
	// AgentID is the agent of events that name none, at most 256 bytes. Defaults to no agent.
	AgentID string

	// TenantID is the tenant of events that name none, at most 256 bytes. Defaults to no tenant.
	TenantID string

	// LogFile is the path of the current file. A leading ~/ is the home directory. Defaults to ~/.rediver/audit.log.
	LogFile string

	// MaxSizeMB is the size in MiB at which a file is rotated. Defaults to 100; -1 means that files are not rotated.
	MaxSizeMB int

	// MaxAgeDays is the age in days at which a rotated file is deleted. Defaults to 30; -1 means no limit.
	MaxAgeDays int

	// BufferSize is the number of events after which the file is synced. Defaults to 100; -1 means no limit.
	BufferSize int

	// FlushInterval is the maximum time for which a line is not synced. Defaults to 5 seconds; -1 means no limit.
	FlushInterval time.Duration

	// SyncTimeout is the maximum time for which Log waits for the disk. Defaults to 2 seconds; -1 means that it does not wait.
	SyncTimeout time.Duration

	// SpoolBytes is the maximum size in bytes of the lines that wait in memory for the disk. Defaults to 4 MiB.
	SpoolBytes int64

	// RemoteEndpoint is the http or https URL of a collector to which the log is sent, such as a server of pkg/ingest. A URL
	// without a path gets /api/v1/agent/audit. It requires AgentID. Log never waits for the collector. Defaults to none.
	RemoteEndpoint string

	// RemoteToken returns the bearer token for the collector. Nil means that no token is sent.
	RemoteToken TokenSource

	// RemoteTransport carries the requests to the collector, for example with a private CA or a rate limit. Defaults to a
	// copy of http.DefaultTransport.
	RemoteTransport http.RoundTripper

	// MaxUnsentMB is the maximum size in MiB of rotated files that are kept only because the collector does not have them yet.
	// Defaults to 1024; -1 means no limit.
	MaxUnsentMB int

	// MaxBackups is the number of rotated files that are kept, the newest ones. Defaults to 100; -1 means no limit.
	MaxBackups int

	// Compress compresses rotated files with zstd.
	Compress bool

	// MinFreeMB is the free space in MiB below which the log warns. Below a quarter of it, events of severity DEBUG and INFO
	// are dropped. On a small disk a tenth of its size counts instead. Defaults to 64; -1 means that the log ignores it.
	MinFreeMB int

	// FailClosed makes Log and Err return an error while the log cannot be written, so that no work is done unrecorded.
	FailClosed bool

	// KeyFile is the file with the key that signs the lines; see CreateKey. A leading ~/ is the home directory. Defaults to
	// none: lines are not signed.
	KeyFile string

	// Redactor returns what is written in place of a string that a caller logged. It is called after the redaction of the log
	// itself, by many goroutines at once. key is the name of the field, in the details or in the event. If Redactor panics, the
	// string is left out. Defaults to none.
	Redactor func(key, value string) string

	// Verbose also writes each event, without its secrets, to Logger.
	Verbose bool `yaml:"-"`

	// Logger receives failures of the log itself, critical events that could not be written and, with Verbose, every event.
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// The defaults of LoggerConfig.
const (
	DefaultLogFile       = logfile.DefaultPath
	DefaultMaxSizeMB     = 100
	DefaultMaxAgeDays    = 30
	DefaultMaxBackups    = 100
	DefaultMinFreeMB     = 64
	DefaultBufferSize    = 100
	DefaultFlushInterval = 5 * time.Second
	DefaultSyncTimeout   = 2 * time.Second
	DefaultSpoolBytes    = 4 << 20
	DefaultMaxUnsentMB   = 1024
)

// The bounds of one event. What exceeds them is left out, and the line says "truncated": true.
const (
	MaxLineBytes   = logfile.MaxLineBytes // size of a line, its newline included
	MaxStringBytes = 4 << 10              // size of a string, before it is escaped
	MaxIDBytes     = 256                  // size of an agent, tenant, job or report ID
	MaxEntries     = 64                   // entries of a map or list in the details
	MaxDepth       = 4                    // nesting of maps and lists, the details map included
)

// DefaultLoggerConfig returns a config with every default filled in.
func DefaultLoggerConfig() *LoggerConfig {
	c := LoggerConfig{}.withDefaults()
	return &c
}

func (c LoggerConfig) withDefaults() LoggerConfig {
	config.Default(&c.LogFile, DefaultLogFile)
	config.Default(&c.MaxSizeMB, DefaultMaxSizeMB)
	config.Default(&c.MaxAgeDays, DefaultMaxAgeDays)
	config.Default(&c.MaxBackups, DefaultMaxBackups)
	config.Default(&c.MinFreeMB, DefaultMinFreeMB)
	config.Default(&c.BufferSize, DefaultBufferSize)
	config.Default(&c.FlushInterval, DefaultFlushInterval)
	config.Default(&c.SyncTimeout, DefaultSyncTimeout)
	config.Default(&c.SpoolBytes, DefaultSpoolBytes)
	config.Default(&c.MaxUnsentMB, DefaultMaxUnsentMB)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Validate returns an error that names every field that is out of range.
func (c LoggerConfig) Validate() error {
	c = c.withDefaults()
	v := config.New("audit")
	for _, id := range []struct{ name, value string }{{"agent_id", c.AgentID}, {"tenant_id", c.TenantID}} {
		if len(id.value) > MaxIDBytes {
			v.Addf(id.name, "%d bytes, at most %d", len(id.value), MaxIDBytes)
		}
	}
	if strings.ContainsRune(c.LogFile, 0) || strings.HasSuffix(c.LogFile, "/") {
		v.Addf("log_file", "%q is not the name of a file", c.LogFile)
	}
	config.RangeOrOff(v, "max_size_mb", c.MaxSizeMB, 1, 1<<20)
	config.RangeOrOff(v, "max_age_days", c.MaxAgeDays, 1, 36500)
	config.RangeOrOff(v, "max_backups", c.MaxBackups, 1, 100_000)
	config.RangeOrOff(v, "min_free_mb", c.MinFreeMB, 1, 1<<30)
	config.RangeOrOff(v, "buffer_size", c.BufferSize, 1, 1<<20)
	config.RangeOrOff(v, "flush_interval", c.FlushInterval, time.Millisecond, 24*time.Hour)
	config.RangeOrOff(v, "sync_timeout", c.SyncTimeout, time.Millisecond, 24*time.Hour)
	config.Range(v, "spool_bytes", c.SpoolBytes, 4*MaxLineBytes, 1<<30)
	config.RangeOrOff(v, "max_unsent_mb", c.MaxUnsentMB, 1, 1<<20)
	if c.RemoteEndpoint != "" {
		if err := ship.CheckEndpoint(c.RemoteEndpoint); err != nil {
			v.Addf("remote_endpoint", "%q: %v", redact.Text(c.RemoteEndpoint), err)
		}
		if c.AgentID == "" || strings.ContainsFunc(c.AgentID, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			v.Addf("agent_id", "%q: remote_endpoint needs a name of printable ASCII without spaces", c.AgentID)
		}
	}
	return v.Err()
}
