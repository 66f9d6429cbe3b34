// Package part splits a report into the pieces that are stored and uploaded. A Splitter cuts a report of any size into
// self-contained Parts, the same bytes every time.
//
// Envelope, Outcome, Progress and Counts are the nouns in which a pipeline, a spool and an uploader speak about delivery.
// They are defined here so that none of the three imports another.
package part

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/report"
)

// Part is what travels: a self-contained piece of a report, encoded and compressed once. The bytes in Data
// are the ones that are stored and the ones that go on the wire. A part is never changed once it is made,
// so it may be shared between goroutines.
type Part struct {
	Key      string // stable over retries, restarts and hosts: a receiver drops a second part with the same key
	ReportID string
	TenantID string
	JobID    string
	Index    int  // from 0
	Total    int  // parts of the report
	Final    bool // the last part: the only one that may claim full coverage

	Encoding string   // of Data: zstd or none
	Data     []byte   // the part's JSON: a Report plus report_id, chunk_index, is_final when Total > 1
	RawSize  int64    // bytes of the JSON before compression
	SHA256   [32]byte // of Data
	Oversize bool     // one item is larger than the size limit, so it travels alone

	Findings, Assets, Dependencies int // how many it holds

	Tool        string    // name of the scanner
	Priority    int       // higher first
	SubmittedAt time.Time // when its report was accepted
	Attempt     int       // of this upload, from 1
}

// Report decodes the part within the platform's bounds: 10 MiB compressed, 50 MiB decompressed, 100:1.
// It returns an error when Data is not what SHA256 says.
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

// envelopeNames are what a part says of itself. A report that has such members of its own would be taken for a part of
// another one.
var envelopeNames = []string{"report_id", "chunk_index", "total_chunks", "is_final"}

// withoutEnvelope returns e without the members of an envelope; e is not changed.
func withoutEnvelope(e report.Extra) report.Extra {
	var out report.Extra
	for name, value := range e {
		if slices.ContainsFunc(envelopeNames, func(n string) bool { return strings.EqualFold(n, name) }) {
			continue
		}
		if out == nil {
			out = make(report.Extra, len(e))
		}
		out[name] = value
	}
	return out
}

// Key returns the key of a part: it names the report, its content and the part's place, nothing else.
func Key(reportID string, content [32]byte, index int) string {
	return reportID + "." + hex.EncodeToString(content[:8]) + "." + strconv.Itoa(index)
}

// ParseKey takes apart what Key returned: the report's ID, the first 8 bytes of its content's hash, and the index.
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
