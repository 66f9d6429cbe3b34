package ship

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// SentSuffix is what the name of the cursor's file has over the log's.
const SentSuffix = ".sent"

// shipCursor is how far the collector has the log. It may be behind, never ahead.
type shipCursor struct {
	To string `json:"to"` // agent and collector: for another one, all begins anew
	logfile.Cursor
	Acked uint64 `json:"acked"` // the last line that the collector took; less than Seq when lines behind it were refused
}

// maxCursorBytes bounds what is read of the file.
const maxCursorBytes = 8 << 10

// load reads the cursor. One that is not there, is damaged, or names lines that the log does not have begins anew:
// lines that come twice do no harm.
func (s *Shipper) load() {
	s.at = shipCursor{To: s.to}
	defer s.note(func(*Stats) {})
	f, err := os.OpenFile(s.path+SentSuffix, os.O_RDONLY|logfile.OpenFlags, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // only read
	var at shipCursor
	b, err := io.ReadAll(io.LimitReader(f, maxCursorBytes))
	if err != nil || json.Unmarshal(b, &at) != nil || at.To != s.to || at.Acked > at.Seq || at.Offset < 0 || at.Seq > s.cfg.Head() {
		return
	}
	s.at = at
}

// save replaces the file as a whole, so that no crash leaves half of one.
func (s *Shipper) save() error {
	b, err := json.Marshal(s.at)
	if err != nil {
		return err
	}
	path := s.path + SentSuffix
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|logfile.OpenFlags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	logfile.SyncDir(filepath.Dir(path))
	return nil
}

// Stats is how far the collector of RemoteEndpoint has the log.
type Stats struct {
	SentSeq  uint64        // the collector has, or refused, every line up to this one
	AckedSeq uint64        // the last line it took
	Lines    uint64        // taken in this run, lines sent again included
	Bytes    uint64        // of these lines
	Batches  uint64        // of these
	Failures uint64        // attempts that ended otherwise
	Rejected uint64        // lines that it refuses; they are in the file .rejected beside the log
	LagLines uint64        // on disk here and not sent
	LagBytes int64         // what the files hold of these, when the last batch was read
	LagAge   time.Duration // since the oldest of these was logged; 0: none

	Failing     bool   // the last attempt failed
	LastError   string // why, or why the last one did that failed
	LastErrorAt time.Time

	oldest time.Time
}

func (s *Shipper) note(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.mu.stats)
	s.mu.stats.SentSeq, s.mu.stats.AckedSeq = s.at.Seq, s.at.Acked
}

// Stats returns the numbers of this moment, for a log that is on disk up to line synced.
func (s *Shipper) Stats(synced uint64) Stats {
	if s == nil {
		return Stats{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.mu.stats
	if synced > st.SentSeq {
		st.LagLines = synced - st.SentSeq
		if !st.oldest.IsZero() {
			st.LagAge = max(time.Since(st.oldest), 0)
		}
	}
	return st
}
