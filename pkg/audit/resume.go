package audit

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// resume finds the place from which the log goes on: the end of the file, of the newest rotated one, or what the
// sidecar says where that is further. What does not follow from the file's last line gets a header that says so.
func (lf *logFile) resume() (head headRecord, err error) {
	segs, err := segments(lf.path)
	if err != nil {
		return head, err
	}
	var end ending
	for i := len(segs) - 1; i >= 0 && i >= len(segs)-resumeFiles && !end.found; i-- {
		current := segs[i].path == lf.path
		if end, err = segs[i].end(); err != nil {
			return head, err
		}
		if current && segs[i].info.Size() > 0 {
			lf.id, lf.headed, lf.filled, lf.ended = segs[i].header.FileID, end.found && end.last, true, end.trailer
			lf.after = afterLoss
		} else if end.found {
			lf.prevID, lf.after = segs[i].header.FileID, afterRestart
			if end.trailer {
				lf.after = afterRotation
			}
		}
	}
	if end.found {
		lf.at = end.mark
	}
	head, ok, err := readHead(lf.path)
	if err != nil || !ok {
		lf.syncedAt = lf.at
		return head, err
	}
	if m, ok := head.mark(); ok && m.seq > lf.at.seq {
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "Lines at the end of the log are gone",
			Details: map[string]any{"first_seq": lf.at.seq + 1, "last_seq": m.seq}})
		lf.at, lf.headed, lf.after = m, false, afterLoss
	}
	lf.syncedAt = lf.at
	return head, nil
}

// resumeFiles is how many files resume looks into for a line.
const resumeFiles = 16

// ending is what the end of a file says.
type ending struct {
	mark    mark
	found   bool // there is a line with a number, or a header
	last    bool // nothing foreign stands behind it
	trailer bool // only the trailer stands behind it
}

// endBytes is how far from its end a file is searched.
const endBytes = 4 * MaxLineBytes

// end reads the end of the file. Half a line there counts for nothing.
func (s *segment) end() (e ending, err error) {
	r, _, err := s.open()
	if err != nil {
		return e, err
	}
	defer func() { _ = r.Close() }() // only read
	buf, err := lastBytes(r, endBytes)
	if err != nil {
		return e, err
	}
	lines := buf[:bytes.LastIndexByte(buf, '\n')+1]
	k := newLinker()
	e.last = true
	for len(lines) > 0 {
		start := bytes.LastIndexByte(lines[:len(lines)-1], '\n') + 1
		line := lines[start:]
		lines = lines[:start]
		end, ok := parseSealed(line)
		if ok && end.seq > 0 {
			e.mark, e.found = mark{end.seq, end.chain}, true
			return e, nil
		}
		if h, ok := parseHeader(k, line); ok {
			e.mark, e.found = h.before(), true
			return e, nil
		}
		var t fileTrailer
		if ok && e.last && isUnnumbered(line, EventAuditRotated, &t) {
			e.trailer = true
			continue
		}
		e.last = false
	}
	return ending{}, nil
}

// lastBytes returns the end of r, n bytes at most.
func lastBytes(r io.Reader, n int64) ([]byte, error) {
	if f, ok := r.(*os.File); ok {
		fi, err := f.Stat()
		if err != nil {
			return nil, err
		}
		buf := make([]byte, min(fi.Size(), n))
		if _, err := f.ReadAt(buf, fi.Size()-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return buf, nil
	}
	var buf []byte
	chunk := make([]byte, n)
	for {
		m, err := io.ReadFull(r, chunk)
		if m == len(chunk) {
			buf = append(buf[:0], chunk...)
		} else {
			buf = append(buf, chunk[:m]...)
			buf = buf[max(0, len(buf)-int(n)):]
		}
		if err != nil {
			return buf, nil // of a broken file, what can be read
		}
	}
}
