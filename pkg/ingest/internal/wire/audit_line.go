package wire

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

// MaxAuditLine is the largest size of a line in bytes, its newline included.
const MaxAuditLine = 64 << 10

// MaxAuditSeq is a bound of line numbers that no log reaches.
const MaxAuditSeq = 1 << 60

// AuditLine is the end of one line of an audit log.
type AuditLine struct {
	Seq   uint64 // number of the line; 0 for the header or trailer of a file
	Chain string // chain value, 64 lower-case hexadecimal digits
	Body  []byte // the bytes that the chain value covers, a slice of the line
}

// ReadAuditLine reads the end of a line, newline included.
func ReadAuditLine(raw []byte) (l AuditLine, err error) {
	const tail = `,"chain":"`
	if len(raw) > MaxAuditLine {
		return l, fmt.Errorf("%d bytes, the bound is %d", len(raw), MaxAuditLine)
	}
	line, ok := bytes.CutSuffix(raw, []byte("\"}\n"))
	cut := len(line) - 2*sha256.Size
	if !ok || cut < len(tail) || string(line[cut-len(tail):cut]) != tail || !json.Valid(raw) || raw[0] != '{' {
		return l, errors.New("not a line of an audit log")
	}
	l.Chain, l.Body = string(line[cut:]), line[:cut-len(tail)]
	if _, err := hex.DecodeString(l.Chain); err != nil || strings.ToLower(l.Chain) != l.Chain {
		return l, errors.New("chain is not a SHA-256 in lower-case hexadecimal")
	}
	members := l.Body
	if i := len(members) - len(`,"mac":"`) - 2*sha256.Size - 1; i > 0 && bytes.HasPrefix(members[i:], []byte(`,"mac":"`)) {
		members = members[:i]
	}
	i := bytes.LastIndex(members, []byte(`,"seq":`))
	if i >= 0 {
		l.Seq, err = strconv.ParseUint(string(members[i+len(`,"seq":`):]), 10, 64)
	}
	switch {
	case i >= 0 && err == nil && l.Seq > 0 && l.Seq < MaxAuditSeq:
		return l, nil
	case bytes.Contains(members, []byte(`"type":"audit_opened"`)) || bytes.Contains(members, []byte(`"type":"audit_rotated"`)):
		l.Seq = 0
		return l, nil
	}
	return l, errors.New("seq does not precede chain")
}
