package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// A file begins with a header and, once it is rotated, ends with a trailer. They are lines like others, but have no
// number: the chain runs past them, from the last numbered line of one file to the first of the next. Their own chain
// value is made of the one before them, so they cannot be changed either.

// fileHeader is the details of a header: what a file is, and what it goes on from. It may also stand within a file,
// where the log was not found as it was left.
type fileHeader struct {
	FileID   string `json:"file_id"`             // stays with the file when it is renamed or compressed
	FirstSeq uint64 `json:"first_seq"`           // of the line that follows
	Prev     string `json:"prev"`                // chain value before it
	PrevFile string `json:"prev_file,omitempty"` // the file that ended there
	After    string `json:"after"`               // why the file begins, one of the after… constants
}

const (
	afterNothing  = "nothing"  // the log begins
	afterRotation = "rotation" // the file before ends with a trailer
	afterRestart  = "restart"  // the file before may have none
	afterDamage   = "damage"   // a sync failed: lines of the file before that were not synced come again
	afterLoss     = "loss"     // the log was not as it was left
)

// fileTrailer is the details of a trailer.
type fileTrailer struct {
	FileID  string `json:"file_id"`
	LastSeq uint64 `json:"last_seq"` // of the line before
	Bytes   int64  `json:"bytes"`    // of the file, without the trailer
}

func newFileID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// begin writes the header before the first of lines. The caller calls it again when it fails.
func (lf *logFile) begin(lines []byte) error {
	end, _ := parseSealed(lines[:bytes.IndexByte(lines, '\n')+1])
	if lf.id == "" {
		lf.id = newFileID()
	}
	details := map[string]any{"file_id": lf.id, "first_seq": end.seq, "prev": string(lf.at.chain[:]), "after": lf.after}
	if lf.prevID != "" {
		details["prev_file"] = lf.prevID
	}
	if err := lf.putUnnumbered(Event{Type: EventAuditOpened, Message: "A file of the log begins", Details: details}); err != nil {
		return err
	}
	lf.headed = true
	return nil
}

// end writes the trailer.
func (lf *logFile) end() error {
	err := lf.putUnnumbered(Event{Type: EventAuditRotated, Message: "A file of the log ends",
		Details: map[string]any{"file_id": lf.id, "last_seq": lf.at.seq, "bytes": lf.size}})
	lf.ended = err == nil
	return err
}

func (lf *logFile) putUnnumbered(e Event) error {
	enc := newEncoder(nil)
	defer enc.free()
	lf.complete(&e)
	enc.event(&e)
	line := append(enc.buf, lf.tail...)
	c := lf.link(&lf.at.chain, line)
	enc.buf = closeLine(line, &c)
	return lf.append(enc.buf)
}

// trailerRoom is kept free in a file for its trailer.
func (lf *logFile) trailerRoom() int64 {
	const fixed = 512
	e := Event{}
	lf.complete(&e)
	return int64(fixed + 6*(len(e.AgentID)+len(e.TenantID)))
}

// unnumbered is the part of a header or trailer that its readers look at.
type unnumbered struct {
	Type    EventType
	Details json.RawMessage
}

// parseHeader returns what a header says; ok is false for any other line, and for one whose chain value is wrong.
func parseHeader(k *linker, line []byte) (h fileHeader, ok bool) {
	end, ok := parseSealed(line)
	if !ok || end.seq != 0 || !isUnnumbered(line, EventAuditOpened, &h) {
		return h, false
	}
	m := headRecord{Seq: 1, Chain: h.Prev}
	prev, ok := m.mark()
	return h, ok && h.FirstSeq > 0 && h.FirstSeq <= maxSeq && h.FileID != "" && k.link(&prev.chain, end.body) == end.chain
}

func isUnnumbered(line []byte, t EventType, details any) bool {
	if !bytes.Contains(line, []byte(`"type":"`+t+`"`)) {
		return false
	}
	var u unnumbered
	return json.Unmarshal(line, &u) == nil && u.Type == t && json.Unmarshal(u.Details, details) == nil
}

// before is the place in the log that a valid header goes on from.
func (h *fileHeader) before() mark {
	m := mark{seq: h.FirstSeq - 1}
	copy(m.chain[:], h.Prev)
	return m
}

// lineTail is what every line has before its number: the version of the format and the run it is of.
func lineTail(runID string) string {
	return `,"v":` + strconv.Itoa(formatVersion) + `,"run_id":"` + runID + `"`
}
