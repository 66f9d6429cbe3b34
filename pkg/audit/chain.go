package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
)

// formatVersion is the "v" of every line; a reader refuses what it does not know.
const formatVersion = 1

// chainText is a chain value as it stands in a line: a SHA-256 in lower-case hex. The chain value of a line is the hash
// of the chain value before it, as text, and the line's bytes before `,"chain":`; so it can be computed with printf and
// sha256sum, and nobody ever has to encode a line again to check it.
type chainText [2 * sha256.Size]byte

// genesis is the chain value before the first line of a log.
var genesis = func() (c chainText) {
	for i := range c {
		c[i] = '0'
	}
	return c
}()

// mark is a place in the log: the number of a line and its chain value.
type mark struct {
	seq   uint64
	chain chainText
}

// Mark is a place in the log: everything up to line Seq, proven by its Chain. A Mark that is kept elsewhere proves later
// that the log still has these lines (VerifyOptions.Known).
type Mark struct {
	Seq   uint64 `json:"seq"`
	Chain string `json:"chain"` // hex
}

func (m mark) public() Mark { return Mark{m.seq, string(m.chain[:])} }

// linker computes chain values. It is used by one goroutine at a time.
type linker struct {
	h   hash.Hash
	sum [sha256.Size]byte
}

func newLinker() *linker { return &linker{h: sha256.New()} }

// link returns the chain value of a line whose bytes before `,"chain":` are body.
func (k *linker) link(prev *chainText, body []byte) (c chainText) {
	k.h.Reset()
	k.h.Write(prev[:])
	k.h.Write(body)
	hex.Encode(c[:], k.h.Sum(k.sum[:0]))
	return c
}

const (
	chainOpen  = `,"chain":"`
	chainClose = `"}` + "\n"
	macOpen    = `,"mac":"`
	seqOpen    = `,"seq":`

	// sealBytes is what the seal adds to a line at most: mac, chain and the end of the line.
	sealBytes = len(macOpen) + len(chainText{}) + 1 + len(chainOpen) + len(chainText{}) + len(chainClose)

	// maxSeq bounds the numbers that are believed: more lines were never written.
	maxSeq = 1 << 60
)

// sealer ends lines: it knows the place in the chain, and the key where there is one.
type sealer struct {
	*linker
	at  mark
	key *sealKey // nil: lines have no mac
}

// seal appends a line that endLine numbered, and its end.
func (s *sealer) seal(dst, line []byte) []byte {
	from := len(dst)
	dst = append(dst, line...)
	s.at.seq, _ = trailingSeq(line)
	if s.key != nil {
		mac := s.key.mac(s.at.seq, &s.at.chain, line)
		dst = append(hex.AppendEncode(append(dst, macOpen...), mac), '"')
	}
	s.at.chain = s.link(&s.at.chain, dst[from:])
	return closeLine(dst, &s.at.chain)
}

func closeLine(dst []byte, c *chainText) []byte {
	return append(append(append(dst, chainOpen...), c[:]...), chainClose...)
}

// sealed is what the end of a line says.
type sealed struct {
	seq   uint64 // 0: the header or trailer of a file
	body  []byte // what the chain value covers, with the one before it
	chain chainText
	mac   []byte // hex; nil: none
	said  []byte // what the mac covers, with the chain value before it
}

// parseSealed takes a line apart from its end. It believes nothing: whether chain and mac are right is for its caller.
func parseSealed(line []byte) (s sealed, ok bool) {
	line, ok = bytes.CutSuffix(line, []byte(chainClose))
	n := len(line) - len(s.chain)
	if !ok || n < len(chainOpen) || string(line[n-len(chainOpen):n]) != chainOpen {
		return s, false
	}
	copy(s.chain[:], line[n:])
	s.body = line[:n-len(chainOpen)]
	s.said = s.body
	if n := len(s.body) - len(s.chain) - 1; n >= len(macOpen) && string(s.body[n-len(macOpen):n]) == macOpen && s.body[len(s.body)-1] == '"' {
		s.mac, s.said = s.body[n:len(s.body)-1], s.body[:n-len(macOpen)]
	}
	s.seq, _ = trailingSeq(s.said)
	return s, true
}

// trailingSeq reads the number that endLine put at the end of a line.
func trailingSeq(line []byte) (uint64, bool) {
	i := len(line)
	for i > 0 && line[i-1] >= '0' && line[i-1] <= '9' && len(line)-i < 20 {
		i--
	}
	if i == len(line) || line[i] == '0' || !bytes.HasSuffix(line[:i], []byte(seqOpen)) {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(line[i:]), 10, 64)
	return seq, err == nil && seq <= maxSeq
}
