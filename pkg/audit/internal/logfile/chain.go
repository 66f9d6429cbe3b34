package logfile

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
type ChainText [2 * sha256.Size]byte

// genesis is the chain value before the first line of a log.
var Genesis = func() (c ChainText) {
	for i := range c {
		c[i] = '0'
	}
	return c
}()

// mark is a place in the log: the number of a line and its chain value.
type Place struct {
	Seq   uint64
	Chain ChainText
}

// Mark is a place in the log: everything up to line Seq, proven by its Chain. A Mark that is kept elsewhere proves later
// that the log still has these lines (VerifyOptions.Known).
type Mark struct {
	Seq   uint64 `json:"seq"`
	Chain string `json:"chain"` // hex
}

func (m Place) Mark() Mark { return Mark{m.Seq, string(m.Chain[:])} }

// linker computes chain values. It is used by one goroutine at a time.
type Linker struct {
	h   hash.Hash
	sum [sha256.Size]byte
}

func NewLinker() *Linker { return &Linker{h: sha256.New()} }

// link returns the chain value of a line whose bytes before `,"chain":` are body.
func (k *Linker) Link(prev *ChainText, body []byte) (c ChainText) {
	k.h.Reset()
	k.h.Write(prev[:])
	k.h.Write(body)
	hex.Encode(c[:], k.h.Sum(k.sum[:0]))
	return c
}

const (
	ChainOpen  = `,"chain":"`
	ChainClose = `"}` + "\n"
	MACOpen    = `,"mac":"`
	SeqOpen    = `,"seq":`

	// sealBytes is what the seal adds to a line at most: mac, chain and the end of the line.
	SealBytes = len(MACOpen) + len(ChainText{}) + 1 + len(ChainOpen) + len(ChainText{}) + len(ChainClose)

	// maxSeq bounds the numbers that are believed: more lines were never written.
	MaxSeq = 1 << 60
)

// sealer ends lines: it knows the place in the chain, and the key where there is one.
type Sealer struct {
	*Linker
	At  Place
	Key *SealKey // nil: lines have no mac
}

// seal appends a line that endLine numbered, and its end.
func (s *Sealer) Seal(dst, line []byte) []byte {
	from := len(dst)
	dst = append(dst, line...)
	s.At.Seq, _ = TrailingSeq(line)
	if s.Key != nil {
		mac := s.Key.MAC(s.At.Seq, &s.At.Chain, line)
		dst = append(hex.AppendEncode(append(dst, MACOpen...), mac), '"')
	}
	s.At.Chain = s.Link(&s.At.Chain, dst[from:])
	return CloseLine(dst, &s.At.Chain)
}

func CloseLine(dst []byte, c *ChainText) []byte {
	return append(append(append(dst, ChainOpen...), c[:]...), ChainClose...)
}

// sealed is what the end of a line says.
type LineEnd struct {
	Seq    uint64 // 0: the header or trailer of a file
	Body   []byte // what the chain value covers, with the one before it
	Chain  ChainText
	MAC    []byte // hex; nil: none
	Signed []byte // what the mac covers, with the chain value before it
}

// parseSealed takes a line apart from its end. It believes nothing: whether chain and mac are right is for its caller.
func ParseEnd(line []byte) (s LineEnd, ok bool) {
	line, ok = bytes.CutSuffix(line, []byte(ChainClose))
	n := len(line) - len(s.Chain)
	if !ok || n < len(ChainOpen) || string(line[n-len(ChainOpen):n]) != ChainOpen {
		return s, false
	}
	copy(s.Chain[:], line[n:])
	s.Body = line[:n-len(ChainOpen)]
	s.Signed = s.Body
	if n := len(s.Body) - len(s.Chain) - 1; n >= len(MACOpen) && string(s.Body[n-len(MACOpen):n]) == MACOpen && s.Body[len(s.Body)-1] == '"' {
		s.MAC, s.Signed = s.Body[n:len(s.Body)-1], s.Body[:n-len(MACOpen)]
	}
	s.Seq, _ = TrailingSeq(s.Signed)
	return s, true
}

// trailingSeq reads the number that endLine put at the end of a line.
func TrailingSeq(line []byte) (uint64, bool) {
	i := len(line)
	for i > 0 && line[i-1] >= '0' && line[i-1] <= '9' && len(line)-i < 20 {
		i--
	}
	if i == len(line) || line[i] == '0' || !bytes.HasSuffix(line[:i], []byte(SeqOpen)) {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(line[i:]), 10, 64)
	return seq, err == nil && seq <= MaxSeq
}
