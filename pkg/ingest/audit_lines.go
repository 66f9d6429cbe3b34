package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The bounds of one request to the audit path, beside those of Limits.
const (
	maxAuditLines = 10_000
	maxAuditLine  = 64 << 10         // bytes, newline included
	maxAuditRow   = 4 * maxAuditLine // a line with the headers and trailers before it
	maxAuditSeq   = 1 << 60
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
func readAuditLine(raw []byte) (l auditLine, err error) {
	const tail = `,"chain":"`
	if len(raw) > maxAuditLine {
		return l, fmt.Errorf("%d bytes, the bound is %d", len(raw), maxAuditLine)
	}
	line, ok := bytes.CutSuffix(raw, []byte("\"}\n"))
	cut := len(line) - 2*sha256.Size
	if !ok || cut < len(tail) || string(line[cut-len(tail):cut]) != tail || !json.Valid(raw) || raw[0] != '{' {
		return l, errors.New("no line of an audit log")
	}
	l.chain, l.body = string(line[cut:]), line[:cut-len(tail)]
	if _, err := hex.DecodeString(l.chain); err != nil || strings.ToLower(l.chain) != l.chain {
		return l, errors.New("chain is no SHA-256 in lower-case hex")
	}
	said := l.body
	if i := len(said) - len(`,"mac":"`) - 2*sha256.Size - 1; i > 0 && bytes.HasPrefix(said[i:], []byte(`,"mac":"`)) {
		said = said[:i]
	}
	i := bytes.LastIndex(said, []byte(`,"seq":`))
	if i >= 0 {
		l.seq, err = strconv.ParseUint(string(said[i+len(`,"seq":`):]), 10, 64)
	}
	switch {
	case i >= 0 && err == nil && l.seq > 0 && l.seq < maxAuditSeq:
		return l, nil
	case bytes.Contains(said, []byte(`"type":"audit_opened"`)) || bytes.Contains(said, []byte(`"type":"audit_rotated"`)):
		l.seq = 0
		return l, nil
	}
	return l, errors.New("seq does not stand before chain")
}
