package auditlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// checkEvery is how many lines are read between two looks at the context.
const checkEvery = 1024

// oldest gives the lines in their order. Files of segs[0] and behind are read, those in front of it are too old.
func (q *query) oldest(ctx context.Context, segs []logfile.Segment) error {
	r, err := q.open(segs)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	w := watch{path: q.path}
	broken := false // the file cannot be read further, and there is none behind it yet
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var l logfile.RawLine
		if broken {
			err = r.SkipFile()
		} else {
			l, err = r.Next()
		}
		switch {
		case errors.Is(err, io.EOF):
			if !q.f.Follow {
				return nil
			}
			if err := w.wait(ctx); err != nil {
				return err
			}
			if w.cut(r) {
				q.match.startAfter(r.Seq)
				if err := r.Enter(r.Segment); err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
			}
		case err != nil && (broken || r.Segment == nil):
			return err
		case err != nil:
			q.unreadable(r.Segment, err)
			broken = true
		case broken:
			broken = false
		default:
			w.read(&l)
			if err := q.take(l.Bytes, l.File, l.Offset, !l.Torn && !l.Long); err != nil {
				return err
			}
		}
	}
}

// open opens the log at the first file that may hold a line that is asked for.
func (q *query) open(segs []logfile.Segment) (*logfile.Reader, error) {
	from := logfile.Cursor{Seq: q.f.After}
	if len(segs) > 0 && segs[0].First > q.f.After+1 {
		from = logfile.Cursor{FileID: segs[0].Header.FileID, Seq: segs[0].First - 1}
	}
	for try := 0; ; try++ {
		r, err := logfile.OpenReader(q.path, from)
		if err == nil {
			return r, nil
		}
		if err := errors.Join(err, r.Close()); try == 10 || !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		from.FileID = "" // it vanished between a look and the next: renamed or deleted
	}
}

// followInterval is how often a log that is followed is looked at.
const followInterval = 200 * time.Millisecond

// watch notices that a log may have grown by a look at its current file alone, for there may be a hundred others.
type watch struct {
	path string
	info os.FileInfo
	end  []byte // of the last line
}

// wait returns when the file is not what it was when the last wait returned: so what is written while the lines are
// read is not missed.
func (w *watch) wait(ctx context.Context) error {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		info, err := os.Stat(w.path)
		if err != nil {
			info = nil // in the middle of a rotation, or gone
		}
		before := w.info
		w.info = info
		if info == nil && before == nil {
			continue
		}
		if info == nil || before == nil || !os.SameFile(before, info) || before.Size() != info.Size() || !before.ModTime().Equal(info.ModTime()) {
			return nil
		}
	}
}

// read notes what the end of the last line is.
func (w *watch) read(l *logfile.RawLine) {
	w.end = w.end[:0]
	if !l.Long {
		w.end = append(w.end, l.Bytes[max(0, len(l.Bytes)-len(logfile.ChainText{})-len(logfile.ChainClose)):]...)
	}
}

// cut reports whether the file being read does not hold the last line any more where it was: somebody truncated it, and the
// writer goes on in it.
func (w *watch) cut(r *logfile.Reader) bool {
	if r.Offset == 0 {
		return false
	}
	b := make([]byte, len(w.end))
	n, ok := r.ReadBack(b)
	return ok && !bytes.Equal(b[:n], w.end)
}
