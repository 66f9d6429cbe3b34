package pipeline

import (
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// Stats is the state of a Pipeline at one moment. Counted in reports, at every moment
//
//	Submitted + Recovered = Completed + Failed + Dropped + InProgress + QueueLength
//
// and, counted in attempts,
//
//	Attempts = Retries + PartsUploaded + PartsDead + PartsReleased + PartsGone + PartsUnstored
type Stats struct {
	// Submitted is the number of reports that were accepted since the start.
	Submitted int64 `json:"submitted"`
	// Recovered is the number of reports found in a durable spool at the start, or retried from its dead letters.
	Recovered int64 `json:"recovered"`
	// Completed is the number of reports of which every part was uploaded.
	Completed int64 `json:"completed"`
	// Failed is the number of reports that have ended with a part that could not be uploaded.
	Failed int64 `json:"failed"`
	// Dropped is the number of reports that were removed from a durable spool before they were uploaded.
	Dropped int64 `json:"dropped"`
	// InProgress is the number of reports of which a part is being uploaded.
	InProgress int64 `json:"in_progress"`
	// QueueLength is the number of reports that wait.
	QueueLength int64 `json:"queue_length"`
	// QueueParts is the number of parts that are not settled, and TotalBytes is their size.
	QueueParts int64 `json:"queue_parts"`
	TotalBytes int64 `json:"total_bytes"`

	// Attempts is the number of uploads that were tried.
	Attempts int64 `json:"attempts"`
	// Retries is the number of attempts after which the part was returned to the spool.
	Retries int64 `json:"retries"`
	// PartsUploaded is the number of attempts that succeeded.
	PartsUploaded int64 `json:"parts_uploaded"`
	// PartsDead is the number of attempts that were the last one of a part.
	PartsDead int64 `json:"parts_dead"`
	// PartsReleased is the number of attempts that Stop has cancelled.
	PartsReleased int64 `json:"parts_released"`
	// PartsGone is the number of attempts whose report was removed in the meantime.
	PartsGone int64 `json:"parts_gone"`
	// PartsUnstored is the number of attempts whose outcome could not be stored, so that the part is tried again.
	PartsUnstored int64 `json:"parts_unstored"`

	// BytesRaw and BytesData are the sizes of the uploaded parts before and after compression.
	BytesRaw  int64 `json:"bytes_raw"`
	BytesData int64 `json:"bytes_data"`
	// BytesSent is the size of the request bodies as the Uploader counts them.
	BytesSent int64 `json:"bytes_sent"`

	// PausedUntil is the time until which uploads are paused, and PauseReason is why. It is nil if they are not.
	PausedUntil *time.Time `json:"paused_until,omitempty"`
	PauseReason string     `json:"pause_reason,omitempty"`
	// LastError is the last error of an upload or of the spool, and LastErrorAt is its time.
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// counters counts attempts.
type counters struct {
	mu     sync.Mutex
	s      Stats
	unsent []string // reports that only the stop has ended
}

func (c *counters) addUnsent(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsent = append(c.unsent, id)
}

func (c *counters) unsentError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unsent) == 0 {
		return nil
	}
	return &UnsentError{ReportIDs: c.unsent}
}

// attempt counts an outcome. stored is the error with which it was stored.
func (c *counters) attempt(pt *part.Part, o part.Outcome, stored error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Attempts++
	if o.Result != nil {
		c.s.BytesSent += o.Result.BytesSent
	}
	if o.Err != nil {
		c.failedLocked(o.Err)
	}
	switch {
	case isGone(stored):
		c.s.PartsGone++
	case stored != nil:
		c.s.PartsUnstored++
		c.failedLocked(stored)
	case o.Kind == part.Uploaded:
		c.s.PartsUploaded++
		c.s.BytesRaw += pt.RawSize
		c.s.BytesData += int64(len(pt.Data))
	case o.Kind == part.Retry:
		c.s.Retries++
	case o.Kind == part.Dead:
		c.s.PartsDead++
	default:
		c.s.PartsReleased++
	}
}

func (c *counters) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failedLocked(err)
}

func (c *counters) failedLocked(err error) {
	now := time.Now()
	c.s.LastError, c.s.LastErrorAt = err.Error(), &now
}

// GetStats returns the state of the pipeline.
func (p *Pipeline) GetStats() Stats {
	p.counters.mu.Lock()
	s := p.counters.s
	p.counters.mu.Unlock()
	c := p.spool.Counts()
	s.Submitted, s.Recovered, s.Completed, s.Failed, s.Dropped = c.Submitted, c.Recovered, c.Completed, c.Failed, c.Dropped
	s.InProgress, s.QueueLength, s.QueueParts, s.TotalBytes = c.InProgress, c.Queued, c.Parts, c.Bytes
	if until, reason := p.gate.state(); !until.IsZero() {
		s.PausedUntil, s.PauseReason = &until, reason
	}
	return s
}
