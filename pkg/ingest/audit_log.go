package ingest

import "time"

// AuditHead is how far a store has the audit log of one agent. Its Seq and Chain are the high-water mark: given to
// audit.Verify as known, they prove that the agent's own copy still has every line up to there.
type AuditHead struct {
	Agent      string    `json:"agent"`
	Seq        uint64    `json:"seq"`
	Chain      string    `json:"chain"`
	Lines      int64     `json:"lines"`    // stored, each once
	Repeated   int64     `json:"repeated"` // lines that came again
	Breaks     int64     `json:"breaks"`   // lines that do not go on from the one stored before them: some are missing, or one was altered
	ReceivedAt time.Time `json:"received_at"`
}

// AuditPage is some lines of an agent's audit log, in the order of their numbers.
type AuditPage struct {
	Head  AuditHead
	Data  []byte // lines as the agent wrote them, headers and trailers of its files among them
	Lines int    // of these, those with a number
	Next  uint64 // the last number in Data, for the next page; 0: this is the last page
}

// The default and the bound of lines in one page.
const (
	DefaultAuditLimit = 1000
	MaxAuditLimit     = 10_000
)

// The codes of a 409 to lines of an audit log; Details has the last line that is stored, as seq.
const (
	CodeAuditBehind = "AUDIT_BEHIND" // AuditBehindError: send the lines behind that one
	CodeAuditForked = "AUDIT_FORKED" // AuditForkError: somebody has to look
)
