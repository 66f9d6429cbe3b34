// Package part splits a report into the pieces that are stored and uploaded. A [Splitter] turns a report of any size into
// self-contained [Part] values, with the same bytes every time.
//
// A pipeline, a spool and an uploader describe delivery by [Envelope], [Outcome], [Result], [Progress] and [Counts]. These
// types are defined here so that none of the three imports another.
package part

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/report"
)

// Part is a self-contained piece of a report. It is encoded and compressed once: the bytes in Data are stored, and the
// same bytes are uploaded. A part does not change after it was made, so goroutines may share it.
type Part struct {
	// Key identifies the part. It is the same after a retry, a restart and on another host, so that a receiver can
	// discard a repeated part.
	Key      string
	ReportID string
	TenantID string // empty for the agent's own tenant
	JobID    string
	Index    int  // position in the report, from 0
	Total    int  // number of parts of the report
	Final    bool // last part of the report, and the only one that may claim full coverage

	Encoding string   // encoding of Data, "zstd" or "none"
	Data     []byte   // a report.Report as JSON, with report_id, chunk_index and is_final if Total is above 1
	RawSize  int64    // bytes of the JSON before compression
	SHA256   [32]byte // hash of Data
	Oversize bool     // contains a single item that is larger than the size limit

	Findings, Assets, Dependencies int // numbers of items

	Tool        string    // name of the scanner
	Priority    int       // higher is uploaded first
	SubmittedAt time.Time // time at which the report was accepted
	Attempt     int       // number of this upload attempt, from 1
}

// Report decodes the part within the platform's bounds: 10 MiB compressed, 50 MiB decompressed, and a ratio of 100.
// It returns an error if Data does not match SHA256.
func (p *Part) Report() (*report.Report, error) {
	if sum := sha256.Sum256(p.Data); sum != p.SHA256 {
		return nil, fmt.Errorf("part %s: data has sha256 %x, want %x", p.Key, sum[:4], p.SHA256[:4])
	}
	raw, err := codec.Decode(p.Encoding, p.Data, codec.Limits{})
	if err != nil {
		return nil, fmt.Errorf("part %s: %w", p.Key, err)
	}
	var r report.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("part %s: %w", p.Key, err)
	}
	r.Extra = withoutEnvelope(r.Extra)
	return &r, nil
}

// envelopeNames are the members that describe a part. A report with such members of its own could be mistaken for a part
// of another report.
var envelopeNames = []string{"report_id", "chunk_index", "total_chunks", "is_final"}

// withoutEnvelope returns a copy of e without these members.
func withoutEnvelope(e report.Extra) report.Extra {
	out := maps.Clone(e)
	maps.DeleteFunc(out, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(envelopeNames, func(n string) bool { return strings.EqualFold(n, name) })
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

// Key returns the key of a part. It depends on nothing but the report's ID, its content and the part's index.
func Key(reportID string, content [32]byte, index int) string {
	return reportID + "." + hex.EncodeToString(content[:8]) + "." + strconv.Itoa(index)
}

// ParseKey parses a key. It returns the report's ID, the first 8 bytes of the content's hash, and the index, or a
// *report.IDError.
func ParseKey(key string) (reportID string, content []byte, index int, err error) {
	fields := strings.Split(key, ".")
	if len(fields) == 3 {
		content, err = hex.DecodeString(fields[1])
		if err == nil && len(content) == 8 {
			if index, err = strconv.Atoi(fields[2]); err == nil && index >= 0 {
				return fields[0], content, index, report.CheckID("part key", fields[0])
			}
		}
	}
	return "", nil, 0, &report.IDError{Field: "part key", Value: key[:min(len(key), 64)]}
}
