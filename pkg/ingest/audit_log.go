package ingest

import "time"

// AuditHead is the last line that a collector has of one agent's audit log. Verifying the agent's own copy with this Seq and
// Chain as known proves that the copy still has every line up to it.
type AuditHead struct {
	Agent      string    `json:"agent"`
	Seq        uint64    `json:"seq"`
	Chain      string    `json:"chain"`
	Lines      int64     `json:"lines"`    // stored lines; each counts once
	Repeated   int64     `json:"repeated"` // lines that were sent again
	Breaks     int64     `json:"breaks"`   // lines whose chain does not continue the stored line before: lines are missing or altered
	ReceivedAt time.Time `json:"received_at"`
}

// AuditPage has consecutive lines of an agent's audit log.
type AuditPage struct {
	Head  AuditHead
	Data  []byte // lines as the agent wrote them, headers and trailers of its files included
	Lines int    // numbered lines in Data
	Next  uint64 // last number in Data, where the next page starts; 0 on the last page
}

// Bounds of the number of lines in one page.
const (
	DefaultAuditLimit = 1000
	MaxAuditLimit     = 10_000
)

// The codes of a 409 to lines of an audit log. Details has the number of the last stored line as seq.
const (
	CodeAuditBehind = "AUDIT_BEHIND" // earlier lines are missing: send the lines after the stored one
	CodeAuditForked = "AUDIT_FORKED" // the log and its copy differ: an operator has to decide
)
