package part

import "time"

// Envelope is what travels with a report but is no part of its content.
type Envelope struct {
	TenantID string // empty: the agent's own tenant
	JobID    string // the job it comes from
	Priority int    // higher is uploaded first; default 0
}

// Result is the receiver's answer for one part, or for a whole report in Pipeline's OnCompleted: the sums.
type Result struct {
	ID              string    `json:"id,omitempty"`     // the receiver's ID, e.g. its scan_id
	ReportID        string    `json:"report_id"`        // the report
	Status          string    `json:"status,omitempty"` // the receiver's word, e.g. "accepted"
	Duplicate       bool      `json:"duplicate,omitempty"`
	FindingsCreated int       `json:"findings_created"`
	FindingsUpdated int       `json:"findings_updated"`
	FindingsSkipped int       `json:"findings_skipped"`
	AssetsCreated   int       `json:"assets_created"`
	AssetsUpdated   int       `json:"assets_updated"`
	BytesSent       int64     `json:"bytes_sent"`      // request bodies on the wire
	Error           string    `json:"error,omitempty"` // set when the receiver took only some of the items
	SubmittedAt     time.Time `json:"submitted_at"`
	CompletedAt     time.Time `json:"completed_at"`
	DurationMs      int64     `json:"duration_ms"` // from submission to completion
}

// Add adds the counts of r, the answer for one more part.
func (t *Result) Add(r *Result) {
	if r.ID != "" {
		t.ID = r.ID
	}
	t.FindingsCreated += r.FindingsCreated
	t.FindingsUpdated += r.FindingsUpdated
	t.FindingsSkipped += r.FindingsSkipped
	t.AssetsCreated += r.AssetsCreated
	t.AssetsUpdated += r.AssetsUpdated
	t.BytesSent += r.BytesSent
	if t.Error == "" {
		t.Error = r.Error
	}
}

// OutcomeKind says what became of one upload attempt.
type OutcomeKind uint8

const (
	Uploaded OutcomeKind = iota // the receiver has the part
	Retry                       // put back, due again at Outcome.Due
	Dead                        // given up: kept as a dead letter where the spool keeps any
	Released                    // handed back unused, e.g. at shutdown; no attempt is counted
)

// Outcome settles a part that was leased from a spool.
type Outcome struct {
	Kind   OutcomeKind
	Result *Result   // of Uploaded
	Due    time.Time // of Retry: not before
	Err    error     // of Retry and Dead: the reason, kept with the part
	Free   bool      // of Retry: the attempt does not count, since it failed for a reason outside the part
}

// Progress is the state of a part's report after it was settled.
type Progress struct {
	Total, Done, Dead int    // parts of the report
	Finished          bool   // this settlement ended the report: every part is uploaded or dead; true once a report
	Result            Result // the sums so far
	SubmittedAt       time.Time
}

// Counts is the state of a spool in reports. At every moment
//
//	Submitted + Recovered = Completed + Failed + Dropped + InProgress + Queued
type Counts struct {
	Submitted  int64 `json:"submitted"`   // accepted since the spool was opened
	Recovered  int64 `json:"recovered"`   // found unfinished when it was opened, or brought back from the dead letters
	Completed  int64 `json:"completed"`   // every part uploaded
	Failed     int64 `json:"failed"`      // ended with at least one dead part
	Dropped    int64 `json:"dropped"`     // removed unsent, by an operator or by a limit that says so
	InProgress int64 `json:"in_progress"` // with a part leased now
	Queued     int64 `json:"queued"`      // waiting
	Parts      int64 `json:"parts"`       // parts not settled, leased or waiting
	Bytes      int64 `json:"bytes"`       // their stored bytes
}
