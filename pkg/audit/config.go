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

// LoggerConfig says where the log is and how far it may lag or grow. A zero field means its default.
type LoggerConfig struct {
	AgentID  string // put into events that name no agent; default none; up to MaxIDBytes
	TenantID string // put into events that name no tenant; default none; up to MaxIDBytes

	LogFile    string // default DefaultLogFile; a leading ~/ is the home directory
	MaxSizeMB  int    // MiB of a file at which it rotates; default 100; -1: never
	MaxAgeDays int    // days a rotated file is kept; default 30; -1: for ever

	BufferSize    int           // events after which the file is fsynced; default 100; -1: no such bound
	FlushInterval time.Duration // longest time a line stays without fsync; default 5s; -1: no such bound
	SyncTimeout   time.Duration // longest wait of a critical event for its fsync; default 2s; -1: do not wait
	SpoolBytes    int64         // memory for lines that the disk does not take; default 4 MiB

	// RemoteEndpoint is the http or https URL of a collector that gets the log as well, e.g. a server of pkg/ingest; default
	// none. Without a path it gets DefaultRemotePath. AgentID must be set then. Log never waits for it.
	RemoteEndpoint  string
	RemoteToken     TokenSource       // gives the bearer token; nil: none is sent
	RemoteTransport http.RoundTripper // carries the requests, e.g. with a private CA or a limit; nil: one like http.DefaultTransport
	MaxUnsentMB     int               // MiB of rotated files that are kept past their age or number for the collector; default 1024; -1: any

	MaxBackups int  // rotated files that are kept, the newest ones; default 100; -1: any number
	Compress   bool // rotated files are compressed with zstd
	MinFreeMB  int  // MiB free on the disk, a tenth of it at most, below which the log warns, and below a quarter of which DEBUG and INFO events are dropped; default 64; -1: off
	FailClosed bool // Log and Err return an error while the disk does not take the log, so that no work goes on unrecorded

	// KeyFile is the file of the key that signs each line, see CreateKey; default none. A leading ~/ is the home directory.
	KeyFile string

	// Redactor sees each string that a caller logged, after the log's own redaction, and returns what is written in its place;
	// key is that of the details it stands under, or the field's name. It is called by many goroutines at once. Where it
	// panics the string is left out. Default none.
	Redactor func(key, value string) string

	Verbose bool `yaml:"-"` // also writes each event, without its secrets, to Logger
	// Logger receives failures of the log itself, critical events that could not be written, and with Verbose every event.
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// The defaults of LoggerConfig, and the bounds of one event.
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

	MaxLineBytes   = logfile.MaxLineBytes // a line, newline included; an event over it loses details and says truncated
	MaxStringBytes = 4 << 10              // one string of an event, before escaping
	MaxIDBytes     = 256                  // an agent, tenant, job or report ID
	MaxEntries     = 64                   // entries of one map or list in the details
	MaxDepth       = 4                    // maps and lists in each other, the details map included
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

// Validate returns every field that is out of range, in one error.
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
