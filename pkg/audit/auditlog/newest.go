package auditlog

import (
	"bytes"
	"context"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// newest gives the lines of segs from the last to the first.
func (q *query) newest(ctx context.Context, segs []logfile.Segment) error {
	for i := len(segs) - 1; i >= 0; i-- {
		w := &window{log: q.path, seg: &segs[i]}
		err := q.backwards(ctx, w)
		w.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// backwards gives the lines of one file, the last one first.
func (q *query) backwards(ctx context.Context, w *window) error {
	size, err := w.open()
	if err != nil {
		q.unreadable(w.seg, err)
	}
	for end := size; end > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := max(0, end-w.step())
		b, err := w.read(from, end)
		if err != nil {
			q.unreadable(w.seg, err)
			return nil
		}
		whole := b[:bytes.LastIndexByte(b, '\n')+1]
		half := len(b) - len(whole)
		if end == size && half > 0 && (half >= logfile.MaxLineBytes || w.seg.Path != q.path) { // else it may just be written
			if err := q.take(nil, w.seg, from+int64(len(whole)), false); err != nil {
				return err
			}
		}
		if whole, err = q.linesOf(whole, from, w.seg); err != nil {
			return err
		}
		end = from + int64(len(whole))
		if len(whole) > 0 && len(whole) == len(b) { // a line longer than the window, which ends at the next newline
			end = from
			if err := q.take(nil, w.seg, from, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// linesOf gives the lines in b, the last one first, and returns what begins in front of b: b is whole lines but for the
// first, and stands at offset from of the file.
func (q *query) linesOf(b []byte, from int64, file *logfile.Segment) ([]byte, error) {
	for len(b) > 0 {
		start := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
		if start == 0 && from > 0 {
			break
		}
		if err := q.take(b[start:], file, from+int64(start), true); err != nil {
			return nil, err
		}
		b = b[:start]
	}
	return b, nil
}
