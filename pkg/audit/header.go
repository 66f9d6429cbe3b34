package audit

import (
	"bytes"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// begin writes the header before the first of lines. After an error the caller calls it again.
func (lf *logFile) begin(lines []byte) error {
	end, _ := logfile.ParseEnd(lines[:bytes.IndexByte(lines, '\n')+1])
	if lf.id == "" {
		lf.id = logfile.NewFileID()
	}
	details := map[string]any{"file_id": lf.id, "first_seq": end.Seq, "prev": string(lf.at.Chain[:]), "after": lf.after}
	if lf.prevID != "" {
		details["prev_file"] = lf.prevID
	}
	if err := lf.putUnnumbered(Event{Type: EventAuditOpened, Message: "A file of the log begins", Details: details}); err != nil {
		return err
	}
	lf.headed = true
	return nil
}

// end writes the trailer at the end of the file.
func (lf *logFile) end() error {
	err := lf.putUnnumbered(Event{Type: EventAuditRotated, Message: "A file of the log ends",
		Details: map[string]any{"file_id": lf.id, "last_seq": lf.at.Seq, "bytes": lf.size}})
	lf.ended = err == nil
	return err
}

func (lf *logFile) putUnnumbered(e Event) error {
	enc := newEncoder(nil)
	defer enc.free()
	lf.complete(&e)
	enc.event(&e)
	line := append(enc.buf, lf.tail...)
	c := lf.Link(&lf.at.Chain, line)
	enc.buf = logfile.CloseLine(line, &c)
	return lf.append(enc.buf)
}

// trailerRoom returns the number of bytes that a file reserves for its trailer.
func (lf *logFile) trailerRoom() int64 {
	const fixed = 512
	e := Event{}
	lf.complete(&e)
	return int64(fixed + 6*(len(e.AgentID)+len(e.TenantID)))
}
