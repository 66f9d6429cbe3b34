package part

import (
	"cmp"
	"time"
)

// Envelope describes the delivery of a report. It is not part of the report's content.
type Envelope struct {
	TenantID string // empty for the agent's own tenant
	JobID    string // job that the report is a result of
	Priority int    // higher is uploaded first; defaults to 0
}

// Result is the receiver's answer to one part. For a whole report it holds the sums over all parts.
type Result struct {
	ID              string    `json:"id,omitempty"` // the receiver's ID of the report, such as a scan_id
	ReportID        string    `json:"report_id"`
	Status          string    `json:"status,omitempty"` // the receiver's status, such as "accepted"
	Duplicate       bool      `json:"duplicate,omitempty"`
	FindingsCreated int       `json:"findings_created"`
	FindingsUpdated int       `json:"findings_updated"`
	FindingsSkipped int       `json:"findings_skipped"`
	AssetsCreated   int       `json:"assets_created"`
	AssetsUpdated   int       `json:"assets_updated"`
	BytesSent       int64     `json:"bytes_sent"`      // bytes of request bodies
	Error           string    `json:"error,omitempty"` // set if the receiver accepted only some of the items
	SubmittedAt     time.Time `json:"submitted_at"`
	CompletedAt     time.Time `json:"completed_at"`
	DurationMs      int64     `json:"duration_ms"` // from submission to completion
}

// Add adds the counts of r, the answer to another part of the report.
func (t *Result) Add(r *Result) {
	t.ID = cmp.Or(r.ID, t.ID)
	t.FindingsCreated += r.FindingsCreated
	t.FindingsUpdated += r.FindingsUpdated
	t.FindingsSkipped += r.FindingsSkipped
	t.AssetsCreated += r.AssetsCreated
	t.AssetsUpdated += r.AssetsUpdated
	t.BytesSent += r.BytesSent
	t.Error = cmp.Or(t.Error, r.Error)
}

// OutcomeKind is the kind of an Outcome.
type OutcomeKind uint8

// The outcomes of one upload attempt.
const (
	Uploaded OutcomeKind = iota // the receiver has stored the part
	Retry                       // the part is due again at Outcome.Due
	Dead                        // the part has failed for good; a spool that keeps dead letters keeps it as one
	Released                    // the part was not tried, for example because of a shutdown; no attempt is counted
)

// Outcome is the result of one upload attempt. It settles a part that was leased from a spool.
type Outcome struct {
	Kind   OutcomeKind
	Result *Result   // the receiver's answer, for Uploaded
	Due    time.Time // earliest time of the next attempt, for Retry
	Err    error     // reason, for Retry and Dead; stored with the part
	Free   bool      // for Retry: the attempt does not count, because it failed for a reason outside of the part
}

// Progress is the state of a report after one of its parts was settled.
type Progress struct {
	Total, Done, Dead int    // numbers of parts
	Finished          bool   // every part is now uploaded or dead; true once for each report
	Result            Result // sums over the parts uploaded so far
	SubmittedAt       time.Time
}

// Counts is the state of a spool in numbers of reports. At every moment
//
//	Submitted + Recovered = Completed + Failed + Dropped + InProgress + Queued
type Counts struct {
	Submitted  int64 `json:"submitted"`   // accepted since the spool was opened
	Recovered  int64 `json:"recovered"`   // unfinished when the spool was opened, or retried dead letters
	Completed  int64 `json:"completed"`   // all parts are uploaded
	Failed     int64 `json:"failed"`      // finished with at least one dead part
	Dropped    int64 `json:"dropped"`     // removed before upload, by an operator or a configured limit
	InProgress int64 `json:"in_progress"` // a part is leased
	Queued     int64 `json:"queued"`      // no part is leased
	Parts      int64 `json:"parts"`       // number of parts that are leased or waiting
	Bytes      int64 `json:"bytes"`       // stored bytes of these parts
}
