package audit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
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

	Verbose bool      // also print each event as one line for people
	Output  io.Writer // where Verbose lines and the logger's own complaints go; default os.Stderr
}

// The defaults of LoggerConfig, and the bounds of one event.
const (
	DefaultLogFile       = "~/.rediver/audit.log"
	DefaultMaxSizeMB     = 100
	DefaultMaxAgeDays    = 30
	DefaultMaxBackups    = 100
	DefaultMinFreeMB     = 64
	DefaultBufferSize    = 100
	DefaultFlushInterval = 5 * time.Second
	DefaultSyncTimeout   = 2 * time.Second
	DefaultSpoolBytes    = 4 << 20
	DefaultMaxUnsentMB   = 1024

	MaxLineBytes   = 64 << 10 // a line, newline included; an event over it loses details and says truncated
	MaxStringBytes = 4 << 10  // one string of an event, before escaping
	MaxIDBytes     = 256      // an agent, tenant, job or report ID
	MaxEntries     = 64       // entries of one map or list in the details
	MaxDepth       = 4        // maps and lists in each other, the details map included
)

// DefaultLoggerConfig returns a config with every default filled in.
func DefaultLoggerConfig() *LoggerConfig {
	c := LoggerConfig{}.withDefaults()
	return &c
}

func (c LoggerConfig) withDefaults() LoggerConfig {
	orDefault(&c.LogFile, DefaultLogFile)
	orDefault(&c.MaxSizeMB, DefaultMaxSizeMB)
	orDefault(&c.MaxAgeDays, DefaultMaxAgeDays)
	orDefault(&c.MaxBackups, DefaultMaxBackups)
	orDefault(&c.MinFreeMB, DefaultMinFreeMB)
	orDefault(&c.BufferSize, DefaultBufferSize)
	orDefault(&c.FlushInterval, DefaultFlushInterval)
	orDefault(&c.SyncTimeout, DefaultSyncTimeout)
	orDefault(&c.SpoolBytes, DefaultSpoolBytes)
	orDefault(&c.MaxUnsentMB, DefaultMaxUnsentMB)
	if c.Output == nil {
		c.Output = os.Stderr
	}
	return c
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate returns every field that is out of range, in one error.
func (c LoggerConfig) Validate() error {
	c = c.withDefaults()
	var errs []error
	add := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	orOff := func(name string, v, lo, hi int64) {
		if v != -1 && (v < lo || v > hi) {
			add("%s: %d is outside %d to %d (or -1: off)", name, v, lo, hi)
		}
	}
	duration := func(name string, d time.Duration) {
		if d != -1 && (d < time.Millisecond || d > 24*time.Hour) {
			add("%s: %v is outside 1ms to 24h (or -1: off)", name, d)
		}
	}
	for _, id := range []struct{ name, v string }{{"AgentID", c.AgentID}, {"TenantID", c.TenantID}} {
		if len(id.v) > MaxIDBytes {
			add("%s: %d bytes, the bound is %d", id.name, len(id.v), MaxIDBytes)
		}
	}
	if strings.ContainsRune(c.LogFile, 0) || strings.HasSuffix(c.LogFile, "/") {
		add("LogFile: %q is not the name of a file", c.LogFile)
	}
	orOff("MaxSizeMB", int64(c.MaxSizeMB), 1, 1<<20)
	orOff("MaxAgeDays", int64(c.MaxAgeDays), 1, 36500)
	orOff("MaxBackups", int64(c.MaxBackups), 1, 100_000)
	orOff("MinFreeMB", int64(c.MinFreeMB), 1, 1<<30)
	orOff("BufferSize", int64(c.BufferSize), 1, 1<<20)
	duration("FlushInterval", c.FlushInterval)
	duration("SyncTimeout", c.SyncTimeout)
	if lo, hi := int64(4*MaxLineBytes), int64(1<<30); c.SpoolBytes < lo || c.SpoolBytes > hi {
		add("SpoolBytes: %d is outside %d to %d", c.SpoolBytes, lo, hi)
	}
	return errors.Join(append(errs, c.validateRemote()...)...)
}
