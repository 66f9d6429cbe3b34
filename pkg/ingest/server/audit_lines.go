package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// The bounds of one request to the audit path, beside those of Limits.
const (
	maxAuditLines = 10_000
	maxAuditRow   = 4 * wire.MaxAuditLine // a line with the headers and trailers before it
)

// auditMark is a place in an audit log.
type auditMark struct {
	seq   uint64
	chain string // hex; empty: not known
}

// auditGenesis is the chain value before the first line of a log.
var auditGenesis = strings.Repeat("0", 2*sha256.Size)

// auditLine is one line of an audit log that has a number. See docs/formats.md for the chain.
type auditLine struct {
	auditMark
	body  []byte // what the chain value covers, with the one before it
	data  []byte // the line as it came, with the headers and trailers of files before it
	links bool   // it goes on from the line before it in the request
}

// follows reports whether the line goes on from prev.
func (l *auditLine) follows(prev auditMark) bool {
	h := sha256.New()
	h.Write([]byte(prev.chain))
	h.Write(l.body)
	return hex.EncodeToString(h.Sum(nil)) == l.chain
}

// readAuditLines takes a request's body apart. What it returns has rising numbers and keeps slices of body.
func readAuditLines(body []byte) (lines []auditLine, err error) {
	if len(body) == 0 || body[len(body)-1] != '\n' {
		return nil, &badRequest{errors.New("the body does not end with a whole line")}
	}
	begin, at, n := 0, 0, 0
	for raw := range bytes.Lines(body) {
		at += len(raw)
		n++
		l, err := readAuditLine(raw)
		switch {
		case err != nil:
			return nil, &badRequest{fmt.Errorf("line %d: %w", n, err)}
		case n > maxAuditLines:
			return nil, &limitError{"lines", maxAuditLines, n}
		case at-begin > maxAuditRow:
			return nil, &limitError{"bytes of a line with the headers before it", maxAuditRow, at - begin}
		case l.seq == 0:
			continue // belongs to the line behind it
		}
		if k := len(lines); k > 0 {
			if l.seq <= lines[k-1].seq {
				return nil, &badRequest{fmt.Errorf("line %d: seq %d comes after %d", n, l.seq, lines[k-1].seq)}
			}
			l.links = l.follows(lines[k-1].auditMark)
		}
		l.data = body[begin:at]
		begin = at
		lines = append(lines, l)
	}
	if begin < len(body) {
		return nil, &badRequest{errors.New("the last line has no seq")}
	}
	return lines, nil
}

// readAuditLine reads the end of a line. Its seq is 0 for a header or trailer of a file, which have none.
func readAuditLine(raw []byte) (auditLine, error) {
	l, err := wire.ReadAuditLine(raw)
	return auditLine{auditMark: auditMark{l.Seq, l.Chain}, body: l.Body}, err
}
