package pipeline

import (
	"errors"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// PipelineConfig configures a Pipeline. A zero field means its default.
//
// Workers, RetryAttempts, RetryDelay and UploadDelay govern the uploads from any Spool. If the Spool has such a setting as
// well (chunk.Config does), it is used where the one here has its default; two different settings are an error of Start.
//
// The callbacks run in the goroutines of the workers, after the outcome is durable. A panic in one is recovered and
// recorded. They may change their arguments, and may call every method of the Pipeline except Stop and Flush, which would
// wait for the callback.
type PipelineConfig struct {
	// QueueSize is the maximum number of reports in memory. Beyond it Submit returns ErrQueueFull. Defaults to 1000. A
	// Spool has its own bound.
	QueueSize int
	// MaxQueueBytes is the maximum size of these reports, estimated before they are encoded. Defaults to 256 MiB. A Spool
	// has its own bound.
	MaxQueueBytes int64
	// Workers is the number of concurrent uploads. Defaults to 3.
	Workers int
	// RetryAttempts is the number of retries of a part after the first attempt; see Uploader for the failures that count.
	// Defaults to 3; -1 means none.
	RetryAttempts int
	// RetryDelay is the wait before the first retry of a part. It is doubled for each further one and varies by 50 %.
	// Defaults to 5 seconds.
	RetryDelay time.Duration
	// MaxRetryDelay is the upper bound of that wait, and of the pauses while the receiver is unreachable. Defaults to 5
	// minutes, and to RetryDelay if that is longer.
	MaxRetryDelay time.Duration
	// MaxRetryAge is the time after the submission of a report beyond which a part that fails is not tried again, whatever
	// the reason and the retries left. Zero means no limit.
	MaxRetryAge time.Duration
	// UploadTimeout is the maximum duration of one attempt. Defaults to 2 minutes.
	UploadTimeout time.Duration
	// UploadDelay is the pause after a part of a report that has several. Defaults to the setting of the Spool, which is 100
	// milliseconds for a chunk.Manager, and to none in memory; -1 means none.
	UploadDelay time.Duration
	// DrainTimeout is the maximum time that uploads may take after the context of Start is cancelled. Defaults to 30
	// seconds; -1 means that they are cancelled at once.
	DrainTimeout time.Duration

	// OnSubmitted, if set, is called when a report was accepted.
	OnSubmitted func(item *QueueItem)
	// OnCompleted, if set, is called when the last part of a report was uploaded. result sums up all parts.
	OnCompleted func(item *QueueItem, result *Result)
	// OnFailed, if set, is called when a report has ended and at least one of its parts could not be uploaded.
	OnFailed func(item *QueueItem, err error)

	// Verbose writes all events, and one debug line per attempt, to slog.Default.
	Verbose bool `yaml:"-"`

	// Spool is where reports wait. If nil, they wait in memory.
	Spool Spool `yaml:"-"`
	// Split configures how reports are split in memory. A Spool splits by its own configuration.
	Split part.SplitConfig `yaml:"-"`
	// Sink receives the events upload_started, upload_completed, upload_failed, upload_retry, auth_failed, rate_limited,
	// validation_error and agent_error. If nil, they are dropped.
	Sink event.Sink `yaml:"-"`
}

// The defaults of PipelineConfig.
const (
	DefaultQueueSize     = 1000
	DefaultMaxQueueBytes = 256 << 20
	DefaultWorkers       = 3
	DefaultRetryAttempts = 3
	DefaultRetryDelay    = 5 * time.Second
	DefaultMaxRetryDelay = 5 * time.Minute
	DefaultUploadTimeout = 2 * time.Minute
	DefaultDrainTimeout  = 30 * time.Second
)

// DefaultPipelineConfig returns the configuration that NewPipeline uses for nil.
func DefaultPipelineConfig() *PipelineConfig {
	c, _ := PipelineConfig{}.resolve() // the defaults are valid
	return &c
}

// Validate returns all problems of c in one error.
func (c PipelineConfig) Validate() error {
	_, err := c.resolve()
	return err
}

// resolve returns the configuration that is in force, and its problems.
func (c PipelineConfig) resolve() (PipelineConfig, error) {
	v := config.New("pipeline")
	if l, ok := c.Spool.(UploadLimiter); ok {
		workers, retries, delay := l.UploadLimits()
		adopt(v, "workers", &c.Workers, DefaultWorkers, workers, "chunk.max_concurrent_uploads")
		adopt(v, "retry_attempts", &c.RetryAttempts, DefaultRetryAttempts, retries, "chunk.max_retries")
		adopt(v, "upload_delay", &c.UploadDelay, 0, delay, "chunk.upload_delay_ms")
	}
	config.Default(&c.QueueSize, DefaultQueueSize)
	config.Default(&c.MaxQueueBytes, DefaultMaxQueueBytes)
	config.Default(&c.Workers, DefaultWorkers)
	config.Default(&c.RetryAttempts, DefaultRetryAttempts)
	config.Default(&c.RetryDelay, DefaultRetryDelay)
	config.Default(&c.MaxRetryDelay, max(DefaultMaxRetryDelay, c.RetryDelay))
	config.Default(&c.UploadTimeout, DefaultUploadTimeout)
	config.Default(&c.DrainTimeout, DefaultDrainTimeout)

	const year = 365 * 24 * time.Hour
	config.Range(v, "queue_size", c.QueueSize, 1, 1<<31-1)
	config.Range(v, "max_queue_bytes", c.MaxQueueBytes, 1, 1<<50)
	config.Range(v, "workers", c.Workers, 1, 1024)
	config.RangeOrOff(v, "retry_attempts", c.RetryAttempts, 1, 1_000_000)
	config.Range(v, "retry_delay", c.RetryDelay, 1, year)
	config.Range(v, "max_retry_delay", c.MaxRetryDelay, 1, year)
	config.Range(v, "max_retry_age", c.MaxRetryAge, 0, 10*year)
	config.Range(v, "upload_timeout", c.UploadTimeout, 1, year)
	config.RangeOrOff(v, "upload_delay", c.UploadDelay, 0, time.Hour)
	config.RangeOrOff(v, "drain_timeout", c.DrainTimeout, 1, year)
	return c, errors.Join(v.Err(), c.Split.Validate())
}

// adopt sets a field that has its default to the setting of the spool. If both are set and differ, that is a problem.
func adopt[T comparable](v *config.Validator, name string, field *T, def, spool T, spoolName string) {
	var unset T
	switch {
	case spool == unset || *field == spool:
	case *field == unset || *field == def:
		*field = spool
	default:
		v.Addf(name, "%v contradicts %s: %v; set one of them", *field, spoolName, spool)
	}
}
