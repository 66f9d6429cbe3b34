package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// The limits of one request to the audit path, in addition to Limits.
const (
	maxAuditLines = 10_000
	maxAuditRow   = 4 * wire.MaxAuditLine // bytes of a line with the headers and trailers before it
)

// auditMark is a position in an audit log.
type auditMark struct {
	seq   uint64
	chain string // in hexadecimal; empty if unknown
}

// auditGenesis is the chain value before the first line of a log.
var auditGenesis = strings.Repeat("0", 2*sha256.Size)

// auditLine is one line of an audit log that has a number. See docs/formats.md for the chain.
type auditLine struct {
	auditMark
	body  []byte // the bytes that the chain value covers, after the previous chain value
	data  []byte // the line as received, with the headers and trailers of files before it
	links bool   // it continues the line before it in the request
}

// follows reports whether the line continues the chain after prev.
func (l *auditLine) follows(prev auditMark) bool {
	h := sha256.New()
	h.Write([]byte(prev.chain))
	h.Write(l.body)
	return hex.EncodeToString(h.Sum(nil)) == l.chain
}

// readAuditLines reads the body of a request. The lines have ascending numbers and refer to slices of body.
func readAuditLines(body []byte) (lines []auditLine, err error) {
	if len(body) == 0 || body[len(body)-1] != '\n' {
		return nil, badRequestf("body does not end with a complete line")
	}
	begin, at, n := 0, 0, 0
	for raw := range bytes.Lines(body) {
		at += len(raw)
		n++
		l, err := readAuditLine(raw)
		switch {
		case err != nil:
			return nil, badRequestf("line %d: %w", n, err)
		case n > maxAuditLines:
			return nil, &limitError{"lines", maxAuditLines, n}
		case at-begin > maxAuditRow:
			return nil, &limitError{"bytes of a line with the headers before it", maxAuditRow, at - begin}
		case l.seq == 0:
			continue // belongs to the next line
		}
		if k := len(lines); k > 0 {
			if l.seq <= lines[k-1].seq {
				return nil, badRequestf("line %d: seq %d follows seq %d", n, l.seq, lines[k-1].seq)
			}
			l.links = l.follows(lines[k-1].auditMark)
		}
		l.data = body[begin:at]
		begin = at
		lines = append(lines, l)
	}
	if begin < len(body) {
		return nil, badRequestf("last line has no seq")
	}
	return lines, nil
}

// readAuditLine reads the end of a line. The seq of the header or trailer of a file is 0.
func readAuditLine(raw []byte) (auditLine, error) {
	l, err := wire.ReadAuditLine(raw)
	return auditLine{auditMark: auditMark{l.Seq, l.Chain}, body: l.Body}, err
}
