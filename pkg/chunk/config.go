package chunk

import (
	"math"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// Config describes how reports are split, and where and for how long they are kept. A zero number means its default. The
// booleans have no default of their own: DefaultConfig sets the first three.
type Config struct {
	// MinFindingsForChunking is the number of findings from which a report is split. Defaults to 2000.
	MinFindingsForChunking int

	// MinAssetsForChunking is the number of assets from which a report is split. Defaults to 200.
	MinAssetsForChunking int

	// MinSizeForChunking is the size in bytes of JSON from which a report is split. Defaults to 5 MiB.
	MinSizeForChunking int64

	// MaxFindingsPerChunk is the maximum number of findings in a part. Defaults to 500.
	MaxFindingsPerChunk int

	// MaxAssetsPerChunk is the maximum number of assets in a part. Defaults to 100.
	MaxAssetsPerChunk int

	// MaxChunkSizeBytes is the maximum size of a part in bytes of JSON before compression. Defaults to 2 MiB.
	MaxChunkSizeBytes int64

	// CompressionLevel is the zstd level of the parts, from 1 to 9. Defaults to 3.
	CompressionLevel int

	// UploadDelayMs is the pause between two parts of split reports in milliseconds. Defaults to 100; -1 means none. This
	// field and the next two are for programs that have no pipeline. A pipeline sets its own values, and fails to start if
	// these and its own contradict each other.
	UploadDelayMs int `yaml:"-"`

	// MaxConcurrentUploads is the maximum number of parts leased at a time. Defaults to 2.
	MaxConcurrentUploads int `yaml:"-"`

	// MaxRetries is the number of times that a part is retried before it becomes a dead letter. Defaults to 3; -1 means
	// that it is not retried.
	MaxRetries int `yaml:"-"`

	// DatabasePath is the SQLite file. Defaults to ~/.rediver/chunks.db.
	DatabasePath string

	// RetentionHours is the time in hours for which uploaded reports are remembered, so that the same content is not
	// uploaded again. Defaults to 24; -1 means without limit.
	RetentionHours int

	// DeadRetentionHours is the time in hours for which dead letters are kept. Defaults to 720, 30 days; -1 means without
	// limit.
	DeadRetentionHours int

	// MaxStorageMB is the maximum size of the database, its write-ahead log and its reserve on disk in MiB. Defaults to
	// 500; -1 means no limit.
	MaxStorageMB int

	// AutoCleanupOnUpload removes the data of a part as soon as it is uploaded.
	AutoCleanupOnUpload bool

	// CleanupOnReportComplete removes the parts of a report when all of them are uploaded.
	CleanupOnReportComplete bool

	// CleanupIntervalMinutes is the time in minutes between two clean-ups by age and size. Defaults to 15; -1 means that
	// there are none after the one at the start.
	CleanupIntervalMinutes int

	// AggressiveCleanup removes uploaded reports before their retention ends, oldest first, when the store reaches
	// MaxStorageMB.
	AggressiveCleanup bool

	// DropUnsent removes even reports that are not uploaded when the store reaches MaxStorageMB, oldest first, each with an
	// event of severity CRITICAL. It requires AggressiveCleanup.
	DropUnsent bool

	// MaxTenantMB is the maximum size in MiB of the stored data of one tenant that is not uploaded. Zero means no limit.
	MaxTenantMB int

	// MaxTenantReports is the maximum number of reports of one tenant that are not uploaded. Zero means no limit.
	MaxTenantReports int

	// Destination names the receiver, for example by its URL. A report that was uploaded to another Destination is uploaded
	// again; the same content for the same Destination is not.
	Destination string

	// KeyFile is a file with the keys that encrypt the data of parts at rest. Only its owner may be able to access it. It
	// has one key on each line, 32 bytes in base64; empty lines and lines that begin with # are ignored. The first key
	// encrypts, all keys decrypt. Metadata of a part – IDs of report, tenant and job, tool, counts, errors – is not
	// encrypted. Empty means no encryption.
	KeyFile string

	// Keys returns the keys instead of KeyFile, for example from a key management service. It is called by NewManager.
	Keys func() ([]Key, error) `yaml:"-"`

	// Sink receives chunk_…, resource_warning and agent_error events. Nil means the Sink that SetDefaultSink provides.
	Sink event.Sink
}

// Defaults of Config. Those for splitting are defaults of part.SplitConfig.
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

// DefaultConfig returns the configuration that NewManager uses if it is given nil.
func DefaultConfig() *Config {
	c := Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true, AggressiveCleanup: true}.withDefaults()
	return &c
}

func (c Config) withDefaults() Config {
	config.Default(&c.MinFindingsForChunking, part.DefaultMinFindings)
	config.Default(&c.MinAssetsForChunking, part.DefaultMinAssets)
	config.Default(&c.MinSizeForChunking, part.DefaultMinBytes)
	config.Default(&c.MaxFindingsPerChunk, part.DefaultMaxFindings)
	config.Default(&c.MaxAssetsPerChunk, part.DefaultMaxAssets)
	config.Default(&c.MaxChunkSizeBytes, part.DefaultMaxBytes)
	config.Default(&c.CompressionLevel, part.DefaultCompressionLevel)
	config.Default(&c.UploadDelayMs, DefaultUploadDelayMs)
	config.Default(&c.MaxConcurrentUploads, DefaultMaxConcurrentUploads)
	config.Default(&c.MaxRetries, DefaultMaxRetries)
	config.Default(&c.DatabasePath, DefaultDatabasePath)
	config.Default(&c.RetentionHours, DefaultRetentionHours)
	config.Default(&c.DeadRetentionHours, DefaultDeadRetentionHours)
	config.Default(&c.MaxStorageMB, DefaultMaxStorageMB)
	config.Default(&c.CleanupIntervalMinutes, DefaultCleanupIntervalMinutes)
	return c
}

// Validate returns every setting that is out of range in one error. Zero fields have their defaults.
func (c Config) Validate() error {
	c = c.withDefaults()
	v := config.New("chunk")
	config.Range(v, "min_findings_for_chunking", c.MinFindingsForChunking, 1, math.MaxInt32)
	config.Range(v, "min_assets_for_chunking", c.MinAssetsForChunking, 1, math.MaxInt32)
	config.Range(v, "min_size_for_chunking", c.MinSizeForChunking, 1, part.MaxBytes)
	config.Range(v, "max_findings_per_chunk", c.MaxFindingsPerChunk, 1, math.MaxInt32)
	config.Range(v, "max_assets_per_chunk", c.MaxAssetsPerChunk, 1, math.MaxInt32)
	config.Range(v, "max_chunk_size_bytes", c.MaxChunkSizeBytes, 1, part.MaxBytes)
	config.Range(v, "compression_level", c.CompressionLevel, 1, 9)
	config.Range(v, "upload_delay_ms", c.UploadDelayMs, -1, 3_600_000)
	config.Range(v, "max_concurrent_uploads", c.MaxConcurrentUploads, 1, 1024)
	config.Range(v, "max_retries", c.MaxRetries, -1, 1_000_000)
	config.Range(v, "retention_hours", c.RetentionHours, -1, 1<<20)
	config.Range(v, "dead_retention_hours", c.DeadRetentionHours, -1, 1<<20)
	config.Range(v, "max_storage_mb", c.MaxStorageMB, -1, 1<<30)
	config.Range(v, "cleanup_interval_minutes", c.CleanupIntervalMinutes, -1, 1<<20)
	config.Range(v, "max_tenant_mb", c.MaxTenantMB, 0, 1<<30)
	config.Range(v, "max_tenant_reports", c.MaxTenantReports, 0, 1<<30)
	if c.KeyFile != "" && c.Keys != nil {
		v.Addf("key_file", "only one of KeyFile and Keys may be set")
	}
	if c.DropUnsent && !c.AggressiveCleanup {
		v.Addf("drop_unsent", "requires %s", v.Name("aggressive_cleanup"))
	}
	return v.Err()
}

func (c Config) split() part.SplitConfig {
	return part.SplitConfig{
		MinFindings: c.MinFindingsForChunking, MinAssets: c.MinAssetsForChunking, MinBytes: c.MinSizeForChunking,
		MaxFindings: c.MaxFindingsPerChunk, MaxAssets: c.MaxAssetsPerChunk, MaxBytes: c.MaxChunkSizeBytes,
		CompressionLevel: c.CompressionLevel,
	}
}

// maxBytes returns MaxStorageMB in bytes, 0 for no limit.
func (c Config) maxBytes() int64 { return int64(config.OrOff(c.MaxStorageMB)) << 20 }

// maxTenantBytes returns MaxTenantMB in bytes, 0 for no limit.
func (c Config) maxTenantBytes() int64 { return int64(c.MaxTenantMB) << 20 }

func (c Config) uploadDelay() time.Duration {
	return time.Duration(config.OrOff(c.UploadDelayMs)) * time.Millisecond
}
