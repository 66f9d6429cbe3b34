// Package pipeline uploads reports in the background, so that a scan never waits for the network.
//
// Submit hands a report over and returns at once; workers lease its parts from a Spool and give them to an
// Uploader, with retries that never occupy a worker. The built-in spool is a bounded queue in memory; with a
// chunk.Manager as the Spool a report is on disk before Submit returns.
//
// Every accepted report ends in exactly one call of OnCompleted or OnFailed, or is still in the spool, and the
// numbers of GetStats add up at every moment.
package pipeline

import (
	"cmp"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// PipelineConfig configures a Pipeline. A zero field means its default.
//
// The callbacks run in the workers' goroutines, after the outcome is durable; a panic in one is recovered. They
// get copies and may call any method of the Pipeline but Stop and Flush, which would wait for themselves.
type PipelineConfig struct {
	QueueSize     int           // reports waiting or under way in memory, past which Submit returns ErrQueueFull; default 1000; a Spool has its own bound
	MaxQueueBytes int64         // bytes of them, estimated before encoding; default 256 MiB; a Spool has its own bound
	Workers       int           // concurrent uploads; default 3
	RetryAttempts int           // retries after the first attempt, see Uploader for which count; default 3; -1: none; a chunk.Manager's MaxRetries goes before it
	RetryDelay    time.Duration // before the first retry, doubled for each further one, ±50 % jitter; default 5s
	MaxRetryDelay time.Duration // upper bound of that, and of the pauses while the receiver is unreachable; default 5m
	MaxRetryAge   time.Duration // a part that fails this long after its report was submitted is given up, whatever the reason and the retries left; default 0: never
	UploadTimeout time.Duration // of one attempt; default 2m
	DrainTimeout  time.Duration // how long uploads may go on after the context of Start is cancelled; default 30s

	OnSubmitted func(item *QueueItem)                 // the report was accepted
	OnCompleted func(item *QueueItem, result *Result) // its last part is in; result sums up all parts
	OnFailed    func(item *QueueItem, err error)      // at least one part was given up

	Verbose bool // debug lines to slog's default logger

	Spool Spool            // where reports wait; nil: in memory
	Split part.SplitConfig // how reports are split in memory; a Spool splits by its own configuration
	Sink  event.Sink       // gets upload_…, auth_failed, rate_limited, validation_error and agent_error events; nil: none
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

// DefaultPipelineConfig returns the configuration in force when NewPipeline is given nil.
func DefaultPipelineConfig() *PipelineConfig {
	c := PipelineConfig{}.withDefaults()
	return &c
}

func (c PipelineConfig) withDefaults() PipelineConfig {
	c.QueueSize = cmp.Or(c.QueueSize, DefaultQueueSize)
	c.MaxQueueBytes = cmp.Or(c.MaxQueueBytes, DefaultMaxQueueBytes)
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	c.RetryAttempts = cmp.Or(c.RetryAttempts, DefaultRetryAttempts)
	c.RetryDelay = cmp.Or(c.RetryDelay, DefaultRetryDelay)
	c.MaxRetryDelay = cmp.Or(c.MaxRetryDelay, DefaultMaxRetryDelay)
	c.UploadTimeout = cmp.Or(c.UploadTimeout, DefaultUploadTimeout)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	c.MaxRetryDelay = max(c.MaxRetryDelay, c.RetryDelay)
	return c
}

// Validate returns all problems of c in one error.
func (c PipelineConfig) Validate() error {
	c = c.withDefaults()
	v := config.New("pipeline")
	const longest = 365 * 24 * time.Hour
	config.Range(v, "queue_size", c.QueueSize, 1, 1<<31-1)
	config.Range(v, "max_queue_bytes", c.MaxQueueBytes, 1, 1<<50)
	config.Range(v, "workers", c.Workers, 1, 1024)
	config.RangeOrOff(v, "retry_attempts", c.RetryAttempts, 1, 1_000_000)
	config.Range(v, "retry_delay", c.RetryDelay, 1, longest)
	config.Range(v, "max_retry_delay", c.MaxRetryDelay, 1, longest)
	config.Range(v, "max_retry_age", c.MaxRetryAge, 0, 10*longest)
	config.Range(v, "upload_timeout", c.UploadTimeout, 1, longest)
	config.RangeOrOff(v, "drain_timeout", c.DrainTimeout, 1, longest)
	return v.Err()
}
