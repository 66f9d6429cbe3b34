package logfile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/rediverio/sdk/pkg/event"
)

// A file begins with a header and, once it is rotated, ends with a trailer. They are lines like others, but have no
// number: the chain runs past them, from the last numbered line of one file to the first of the next. Their own chain
// value is made of the one before them, so they cannot be changed either.

// fileHeader is the details of a header: what a file is, and what it goes on from. It may also stand within a file,
// where the log was not found as it was left.
type Header struct {
	FileID   string `json:"file_id"`             // stays with the file when it is renamed or compressed
	FirstSeq uint64 `json:"first_seq"`           // of the line that follows
	Prev     string `json:"prev"`                // chain value before it
	PrevFile string `json:"prev_file,omitempty"` // the file that ended there
	After    string `json:"after"`               // why the file begins, one of the after… constants
}

const (
	AfterNothing  = "nothing"  // the log begins
	AfterRotation = "rotation" // the file before ends with a trailer
	AfterRestart  = "restart"  // the file before may have none
	AfterDamage   = "damage"   // a sync failed: lines of the file before that were not synced come again
	AfterLoss     = "loss"     // the log was not as it was left
)

// fileTrailer is the details of a trailer.
type Trailer struct {
	FileID  string `json:"file_id"`
	LastSeq uint64 `json:"last_seq"` // of the line before
	Bytes   int64  `json:"bytes"`    // of the file, without the trailer
}

func NewFileID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// unnumbered is the part of a header or trailer that its readers look at.
type unnumbered struct {
	Type    event.Type
	Details json.RawMessage
}

// parseHeader returns what a header says; ok is false for any other line, and for one whose chain value is wrong.
func ParseHeader(k *Linker, line []byte) (h Header, ok bool) {
	end, ok := ParseEnd(line)
	if !ok || end.Seq != 0 || !IsUnnumbered(line, EventOpened, &h) {
		return h, false
	}
	m := Head{Seq: 1, Chain: h.Prev}
	prev, ok := m.Place()
	return h, ok && h.FirstSeq > 0 && h.FirstSeq <= MaxSeq && h.FileID != "" && k.Link(&prev.Chain, end.Body) == end.Chain
}

func IsUnnumbered(line []byte, t event.Type, details any) bool {
	if !bytes.Contains(line, []byte(`"type":"`+t+`"`)) {
		return false
	}
	var u unnumbered
	return json.Unmarshal(line, &u) == nil && u.Type == t && json.Unmarshal(u.Details, details) == nil
}

// before is the place in the log that a valid header goes on from.
func (h *Header) Before() Place {
	m := Place{Seq: h.FirstSeq - 1}
	copy(m.Chain[:], h.Prev)
	return m
}

// lineTail is what every line has before its number: the version of the format and the run it is of.
func LineTail(runID string) string {
	return `,"v":` + strconv.Itoa(formatVersion) + `,"run_id":"` + runID + `"`
}
