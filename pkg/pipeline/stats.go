package pipeline

import (
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// Stats is the state of a pipeline. In reports, and at every moment,
//
//	Submitted + Recovered = Completed + Failed + Dropped + InProgress + QueueLength
type Stats struct {
	Submitted   int64 `json:"submitted"`    // accepted since the start
	Recovered   int64 `json:"recovered"`    // found in a durable spool, or brought back from its dead letters
	Completed   int64 `json:"completed"`    // every part uploaded
	Failed      int64 `json:"failed"`       // ended with a part given up
	Dropped     int64 `json:"dropped"`      // removed unsent from a durable spool
	InProgress  int64 `json:"in_progress"`  // with a part being uploaded
	QueueLength int64 `json:"queue_length"` // waiting
	QueueParts  int64 `json:"queue_parts"`  // parts not settled
	TotalBytes  int64 `json:"total_bytes"`  // bytes of them

	Attempts      int64      `json:"attempts"`       // uploads tried; the next six add up to it
	Retries       int64      `json:"retries"`        // of them, put back
	PartsUploaded int64      `json:"parts_uploaded"` // of them, accepted
	PartsDead     int64      `json:"parts_dead"`     // of them, given up
	PartsReleased int64      `json:"parts_released"` // of them, cut by Stop
	PartsGone     int64      `json:"parts_gone"`     // of them, of a report that was removed meanwhile
	PartsUnstored int64      `json:"parts_unstored"` // of them, whose outcome the spool could not store: they are tried again
	BytesRaw      int64      `json:"bytes_raw"`      // of uploaded parts, before compression
	BytesData     int64      `json:"bytes_data"`     // of uploaded parts, compressed
	BytesSent     int64      `json:"bytes_sent"`     // request bodies, as the uploader counts them
	PausedUntil   *time.Time `json:"paused_until,omitempty"`
	PauseReason   string     `json:"pause_reason,omitempty"`
	LastError     string     `json:"last_error,omitempty"`
	LastErrorAt   *time.Time `json:"last_error_at,omitempty"`
}

// tally counts attempts.
type tally struct {
	mu sync.Mutex
	s  Stats
}

// attempt counts an outcome, and with what error it was stored.
func (t *tally) attempt(p *part.Part, o part.Outcome, settle error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Attempts++
	if o.Result != nil {
		t.s.BytesSent += o.Result.BytesSent
	}
	if o.Err != nil {
		t.errorLocked(o.Err)
	}
	switch {
	case isGone(settle):
		t.s.PartsGone++
	case settle != nil:
		t.s.PartsUnstored++
		t.errorLocked(settle)
	case o.Kind == part.Uploaded:
		t.s.PartsUploaded++
		t.s.BytesRaw += p.RawSize
		t.s.BytesData += int64(len(p.Data))
	case o.Kind == part.Retry:
		t.s.Retries++
	case o.Kind == part.Dead:
		t.s.PartsDead++
	default:
		t.s.PartsReleased++
	}
}

func (t *tally) spoolError(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errorLocked(err)
}

func (t *tally) errorLocked(err error) {
	now := time.Now()
	t.s.LastError, t.s.LastErrorAt = err.Error(), &now
}

// GetStats returns the state of the pipeline.
func (p *Pipeline) GetStats() Stats {
	p.tally.mu.Lock()
	s := p.tally.s
	p.tally.mu.Unlock()
	c := p.spool.Counts()
	s.Submitted, s.Recovered, s.Completed, s.Failed, s.Dropped = c.Submitted, c.Recovered, c.Completed, c.Failed, c.Dropped
	s.InProgress, s.QueueLength, s.QueueParts, s.TotalBytes = c.InProgress, c.Queued, c.Parts, c.Bytes
	if until, reason := p.gate.state(); !until.IsZero() {
		s.PausedUntil, s.PauseReason = &until, reason
	}
	return s
}
