package chunk

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// Config says how reports are split, kept and given up. A zero number means its default; the booleans are
// what they say, and DefaultConfig sets all of them.
type Config struct {
	// When a report is split, and into what: see part.SplitConfig.
	MinFindingsForChunking int   // findings; default 2000
	MinAssetsForChunking   int   // assets; default 200
	MinSizeForChunking     int64 // bytes of JSON; default 5 MiB
	MaxFindingsPerChunk    int   // default 500
	MaxAssetsPerChunk      int   // default 100
	MaxChunkSizeBytes      int64 // bytes of JSON before compression; default 2 MiB
	CompressionLevel       int   // zstd, 1 to 9; default 3

	// How the stored parts are handed to the upload workers.
	UploadDelayMs        int // milliseconds between two chunks of split reports; default 100; -1: none
	MaxConcurrentUploads int // parts leased at one time; default 2
	MaxRetries           int // retries of a part before it becomes a dead letter; default 3; -1: no retry

	// Where they are kept, and for how long.
	DatabasePath       string // default ~/.rediver/chunks.db
	RetentionHours     int    // of finished reports, in hours; default 24; -1: for ever
	DeadRetentionHours int    // of dead letters, in hours; default 720; -1: for ever
	MaxStorageMB       int    // database, WAL and reserve on disk, in MiB; default 500; -1: unlimited

	AutoCleanupOnUpload     bool // free a part's data as soon as it is uploaded
	CleanupOnReportComplete bool // remove a report's parts when all are uploaded
	CleanupIntervalMinutes  int  // minutes between two clean-ups by age and size; default 15; -1: never
	AggressiveCleanup       bool // over MaxStorageMB, remove finished reports before their retention, oldest first
	MaxTenantMB             int  // stored bytes of one tenant that are not uploaded, in MiB; default 0: unlimited
	MaxTenantReports        int  // reports of one tenant that are not uploaded; default 0: unlimited
	DropUnsent              bool // over MaxStorageMB, remove even reports not yet uploaded, oldest first, each with an event

	// Destination names the receiver, e.g. by its URL. A report that was uploaded before is uploaded again where the
	// Destination is another one now; the same content for the same Destination is not. Default none.
	Destination string

	// KeyFile and Keys, one of them, encrypt the data of parts at rest: see ReadKeyFile. The first key encrypts, all of
	// them decrypt. What is known of a part – its report's ID, tenant, job and tool, counts, errors – stays readable.
	// Default: no encryption.
	KeyFile string
	Keys    KeySource // asked by NewManager

	Sink event.Sink // gets chunk_…, resource_warning and agent_error events; nil: none
}

// The defaults of Config that are no defaults of part.SplitConfig.
const (
	DefaultUploadDelayMs          = 100
	DefaultMaxConcurrentUploads   = 2
	DefaultMaxRetries             = 3
	DefaultDatabasePath           = "~/.rediver/chunks.db"
	DefaultRetentionHours         = 24
	DefaultDeadRetentionHours     = 720
	DefaultMaxStorageMB           = 500
	DefaultCleanupIntervalMinutes = 15
)

// DefaultConfig returns the configuration in force when NewManager is given nil.
func DefaultConfig() *Config {
	c := Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true, AggressiveCleanup: true}.withDefaults()
	return &c
}

func (c Config) withDefaults() Config {
	c.MinFindingsForChunking = cmp.Or(c.MinFindingsForChunking, part.DefaultMinFindings)
	c.MinAssetsForChunking = cmp.Or(c.MinAssetsForChunking, part.DefaultMinAssets)
	c.MinSizeForChunking = cmp.Or(c.MinSizeForChunking, part.DefaultMinBytes)
	c.MaxFindingsPerChunk = cmp.Or(c.MaxFindingsPerChunk, part.DefaultMaxFindings)
	c.MaxAssetsPerChunk = cmp.Or(c.MaxAssetsPerChunk, part.DefaultMaxAssets)
	c.MaxChunkSizeBytes = cmp.Or(c.MaxChunkSizeBytes, part.DefaultMaxBytes)
	c.CompressionLevel = cmp.Or(c.CompressionLevel, part.DefaultCompressionLevel)
	c.UploadDelayMs = cmp.Or(c.UploadDelayMs, DefaultUploadDelayMs)
	c.MaxConcurrentUploads = cmp.Or(c.MaxConcurrentUploads, DefaultMaxConcurrentUploads)
	c.MaxRetries = cmp.Or(c.MaxRetries, DefaultMaxRetries)
	c.DatabasePath = cmp.Or(c.DatabasePath, DefaultDatabasePath)
	c.RetentionHours = cmp.Or(c.RetentionHours, DefaultRetentionHours)
	c.DeadRetentionHours = cmp.Or(c.DeadRetentionHours, DefaultDeadRetentionHours)
	c.MaxStorageMB = cmp.Or(c.MaxStorageMB, DefaultMaxStorageMB)
	c.CleanupIntervalMinutes = cmp.Or(c.CleanupIntervalMinutes, DefaultCleanupIntervalMinutes)
	c.Sink = event.OrNop(c.Sink)
	return c
}

// Validate returns every field that is out of range, in one error that names the field, its value and the
// bounds. Zero fields are judged by their defaults.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	check := func(name string, v, lo, hi int64) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("%s: %d is outside %d to %d", name, v, lo, hi))
		}
	}
	check("MinFindingsForChunking", int64(c.MinFindingsForChunking), 1, 1<<31)
	check("MinAssetsForChunking", int64(c.MinAssetsForChunking), 1, 1<<31)
	check("MinSizeForChunking", c.MinSizeForChunking, 1, part.MaxBytes)
	check("MaxFindingsPerChunk", int64(c.MaxFindingsPerChunk), 1, 1<<31)
	check("MaxAssetsPerChunk", int64(c.MaxAssetsPerChunk), 1, 1<<31)
	check("MaxChunkSizeBytes", c.MaxChunkSizeBytes, 1, part.MaxBytes)
	check("CompressionLevel", int64(c.CompressionLevel), 1, 9)
	check("UploadDelayMs", int64(c.UploadDelayMs), -1, 3_600_000)
	check("MaxConcurrentUploads", int64(c.MaxConcurrentUploads), 1, 1024)
	check("MaxRetries", int64(c.MaxRetries), -1, 1_000_000)
	check("RetentionHours", int64(c.RetentionHours), -1, 1<<20)
	check("DeadRetentionHours", int64(c.DeadRetentionHours), -1, 1<<20)
	check("MaxStorageMB", int64(c.MaxStorageMB), -1, 1<<30)
	check("CleanupIntervalMinutes", int64(c.CleanupIntervalMinutes), -1, 1<<20)
	check("MaxTenantMB", int64(c.MaxTenantMB), 0, 1<<30)
	check("MaxTenantReports", int64(c.MaxTenantReports), 0, 1<<30)
	if c.KeyFile != "" && c.Keys != nil {
		errs = append(errs, errors.New("KeyFile, Keys: only one of them may be set"))
	}
	if c.DropUnsent && !c.AggressiveCleanup {
		errs = append(errs, errors.New("DropUnsent: needs AggressiveCleanup"))
	}
	return errors.Join(errs...)
}

func (c Config) split() part.SplitConfig {
	return part.SplitConfig{
		MinFindings: c.MinFindingsForChunking, MinAssets: c.MinAssetsForChunking, MinBytes: c.MinSizeForChunking,
		MaxFindings: c.MaxFindingsPerChunk, MaxAssets: c.MaxAssetsPerChunk, MaxBytes: c.MaxChunkSizeBytes,
		CompressionLevel: c.CompressionLevel,
	}
}

// maxBytes returns MaxStorageMB in bytes, 0 for unlimited.
func (c Config) maxBytes() int64 { return int64(max(c.MaxStorageMB, 0)) << 20 }

// maxTenantBytes returns MaxTenantMB in bytes, 0 for unlimited.
func (c Config) maxTenantBytes() int64 { return int64(c.MaxTenantMB) << 20 }

// uploadDelay returns UploadDelayMs as a duration.
func (c Config) uploadDelay() time.Duration {
	return time.Duration(max(c.UploadDelayMs, 0)) * time.Millisecond
}
