package logfile

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
)

// headSuffix is what the sidecar's name has over the log's.
const HeadSuffix = ".head"

// headRecord is the sidecar: how far the log is on disk. Without it nobody could tell a log that ends from one whose end was
// cut off. It is written in place after every sync of the log, so it is never ahead of the log, and a full disk does
// not stop it.
type Head struct {
	Seq    uint64 `json:"seq"`
	Chain  string `json:"chain"`
	FileID string `json:"file_id"`
	Offset int64  `json:"offset"`         // bytes of that file up to this line
	Lost   uint64 `json:"lost,omitempty"` // events that are lost, which no audit_dropped says yet

	LostFirst uint64 `json:"lost_first,omitempty"` // numbers between these are missing for them
	LostLast  uint64 `json:"lost_last,omitempty"`
}

// mark returns the place the record names, if it makes sense.
func (h *Head) Place() (m Place, ok bool) {
	if h.Seq == 0 || h.Seq > MaxSeq || len(h.Chain) != len(m.Chain) {
		return m, false
	}
	if _, err := hex.DecodeString(h.Chain); err != nil {
		return m, false
	}
	m.Seq = h.Seq
	copy(m.Chain[:], h.Chain)
	return m, true
}

// readHead reads the sidecar of the log at path; ok is false when there is none that makes sense.
func ReadHead(path string) (h Head, ok bool, err error) {
	f, err := os.OpenFile(path+HeadSuffix, os.O_RDONLY|OpenFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, err
	}
	defer func() { _ = f.Close() }() // only read
	if err := ReadRecord(f, &h); err != nil {
		return Head{}, false, nil // half of one: as if there were none
	}
	_, ok = h.Place()
	return h, ok || h.Lost > 0, nil
}

func OpenHead(path string) (*os.File, error) {
	f, err := os.OpenFile(path+HeadSuffix, os.O_RDWR|os.O_CREATE|OpenFlags, 0o600)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path + HeadSuffix, Err: errors.New("no regular file")}
	}
	if err == nil {
		err = MakePrivate(f, fi.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
