package audit

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
)

// headSuffix is what the sidecar's name has over the log's.
const headSuffix = ".head"

// headRecord is the sidecar: how far the log is on disk. Without it nobody could tell a log that ends from one whose end was
// cut off. It is written in place after every sync of the log, so it is never ahead of the log, and a full disk does
// not stop it.
type headRecord struct {
	Seq    uint64 `json:"seq"`
	Chain  string `json:"chain"`
	FileID string `json:"file_id"`
	Offset int64  `json:"offset"`         // bytes of that file up to this line
	Lost   uint64 `json:"lost,omitempty"` // events that are lost, which no audit_dropped says yet

	LostFirst uint64 `json:"lost_first,omitempty"` // numbers between these are missing for them
	LostLast  uint64 `json:"lost_last,omitempty"`
}

// mark returns the place the record names, if it makes sense.
func (h *headRecord) mark() (m mark, ok bool) {
	if h.Seq == 0 || h.Seq > maxSeq || len(h.Chain) != len(m.chain) {
		return m, false
	}
	if _, err := hex.DecodeString(h.Chain); err != nil {
		return m, false
	}
	m.seq = h.Seq
	copy(m.chain[:], h.Chain)
	return m, true
}

// readHead reads the sidecar of the log at path; ok is false when there is none that makes sense.
func readHead(path string) (h headRecord, ok bool, err error) {
	f, err := os.OpenFile(path+headSuffix, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, err
	}
	defer func() { _ = f.Close() }() // only read
	if err := readRecord(f, &h); err != nil {
		return headRecord{}, false, nil // half of one: as if there were none
	}
	_, ok = h.mark()
	return h, ok || h.Lost > 0, nil
}

func openHead(path string) (*os.File, error) {
	f, err := os.OpenFile(path+headSuffix, os.O_RDWR|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path + headSuffix, Err: errors.New("no regular file")}
	}
	if err == nil {
		err = makePrivate(f, fi.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
