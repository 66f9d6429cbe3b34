// Package wire has the bodies and headers that the ingest client and the ingest server exchange.
package wire

import (
	"encoding/json"
	"strings"
)

// The request headers of the protocol that net/http has no name for.
const (
	HeaderAgent  = "X-Agent-ID"
	HeaderKey    = "Idempotency-Key" // net/http itself resends a request that carries one over a stale connection
	HeaderReport = "X-Report-ID"
	HeaderJob    = "X-Job-ID"
	HeaderSubmit = "X-Submitted-At" // when the agent accepted the report, RFC 3339
	HeaderCursor = "X-Next-Cursor"
)

// Answer is the receiver's answer to one part. The part that completes a report carries the numbers of the whole
// report and all others zeros, so that the sums over the parts are right.
type Answer struct {
	ScanID          string `json:"scan_id,omitempty"`
	ChunkID         string `json:"chunk_id,omitempty"`
	ReportID        string `json:"report_id"`
	ChunkIndex      *int   `json:"chunk_index,omitempty"`
	Status          string `json:"status"`
	Complete        bool   `json:"complete"` // every part of the report is in
	Duplicate       bool   `json:"duplicate,omitempty"`
	AssetsCreated   int    `json:"assets_created"`
	AssetsUpdated   int    `json:"assets_updated"`
	FindingsCreated int    `json:"findings_created"`
	FindingsUpdated int    `json:"findings_updated"`
	FindingsSkipped int    `json:"findings_skipped"`
	Errors          []any  `json:"errors,omitempty"` // what was not taken, and why
}

// ChunkRequest is the body of a POST to the chunk path.
type ChunkRequest struct {
	ReportID    string `json:"report_id"`
	ChunkIndex  *int   `json:"chunk_index"`
	TotalChunks *int   `json:"total_chunks"`
	Compression string `json:"compression"`
	Data        []byte `json:"data"` // base64 on the wire
	IsFinal     bool   `json:"is_final"`
}

// ErrorBody is the body of every refusal.
type ErrorBody struct {
	Error struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Details json.RawMessage `json:"details,omitempty"`
	} `json:"error"`
}

// CheckRequest is the body of a POST to the check path.
type CheckRequest struct {
	Fingerprints []string `json:"fingerprints"`
}

// The headers of the audit path.
const (
	HeaderAfter = "X-Audit-After" // what the sender believes to be the last line here: its number, and its chain value where known
	HeaderHead  = "X-Audit-Head"  // in answers: the last line stored, and its chain value
)

// Clip shortens s to at most n bytes of valid UTF-8.
func Clip(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:n], "")
}

// MaxMessage bounds the message of a refusal, in bytes.
const MaxMessage = 512
