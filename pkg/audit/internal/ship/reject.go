package ship

import (
	"errors"
	"fmt"
	"os"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// RejectedSuffix is what the name of the file of refused lines has over the log's.
const RejectedSuffix = ".rejected"

// maxRejectedBytes bounds that file. A collector that refuses more than this refuses everything, and is waited for.
const maxRejectedBytes = 64 << 20

// reject keeps the batch in a file beside the log, where somebody may look at it, and goes on behind it: what follows must
// not wait for lines that will never be taken.
func (s *Shipper) reject(a answer) error {
	b := s.batch
	f, err := os.OpenFile(s.path+RejectedSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND|logfile.OpenFlags, 0o600)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil {
		err = logfile.MakePrivate(f, fi.Mode())
	}
	if err == nil && fi.Size()+int64(len(b.raw)) > maxRejectedBytes {
		err = fmt.Errorf("%s has %d bytes, and takes up to %d: see what is wrong with these lines, and remove it", f.Name(), fi.Size(), maxRejectedBytes)
	}
	if err == nil {
		_, err = f.Write(b.raw)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.advance(false)
	s.note(func(st *Stats) { st.Rejected += uint64(b.lines) })
	s.cfg.Record(event.Event{Type: logfile.EventError, Severity: event.Critical, Message: "The collector refuses lines of the log; they are kept aside",
		Error: a.err.Error(), Details: map[string]any{"first_seq": b.first, "last_seq": b.last.Seq, "lines": b.lines, "status": a.status}})
	return nil
}
