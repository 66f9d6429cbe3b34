package auditlog

import (
	"errors"
	"io"
	"os"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// How much of a file is in memory while it is read from its end. A compressed file is decompressed anew for each window.
const (
	plainWindow      = 4 * logfile.MaxLineBytes
	compressedWindow = 16 << 20
)

// window reads pieces of a file from its end to its begin.
type window struct {
	log string // the current file's path
	seg *logfile.Segment
	r   io.ReadCloser
	at  int64 // of a compressed file: how far r is read
	buf []byte
}

// open opens the file, under whatever name it has now, and returns its length, uncompressed. Of a file that is broken
// it returns the error and how much can be read.
func (w *window) open() (int64, error) {
	for range 10 {
		r, info, err := w.seg.Open()
		if err == nil && !w.seg.Compressed && !os.SameFile(w.seg.Info, info) {
			err = errors.Join(os.ErrNotExist, r.Close()) // rotated since it was listed
		}
		if errors.Is(err, os.ErrNotExist) {
			if err := w.find(); err != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		w.r = r
		if !w.seg.Compressed {
			return info.Size(), nil
		}
		w.at, err = io.Copy(io.Discard, r)
		return w.at, err
	}
	return 0, os.ErrNotExist
}

// find looks for the file's new name. It returns an os.ErrNotExist when the file is deleted.
func (w *window) find() error {
	segs, err := logfile.Segments(w.log)
	if err != nil {
		return err
	}
	for i := range segs {
		if segs[i].Same(w.seg) {
			w.seg = &segs[i]
			return nil
		}
	}
	return os.ErrNotExist
}

func (w *window) step() int64 {
	if w.seg.Compressed {
		return compressedWindow
	}
	return plainWindow
}

// read returns what the file has from one offset to another, less when it was cut meanwhile. The bytes are valid until
// the next read.
func (w *window) read(from, end int64) ([]byte, error) {
	if w.buf == nil {
		w.buf = make([]byte, min(end-from, w.step()))
	}
	b := w.buf[:end-from]
	if f, ok := w.r.(io.ReaderAt); ok {
		n, err := f.ReadAt(b, from)
		return b[:n], unlessEnd(err)
	}
	if from < w.at {
		r, _, err := w.seg.Open()
		if err != nil {
			return nil, err
		}
		w.close()
		w.r, w.at = r, 0
	}
	skipped, err := io.CopyN(io.Discard, w.r, from-w.at)
	if w.at += skipped; err != nil {
		return nil, unlessEnd(err)
	}
	n, err := io.ReadFull(w.r, b)
	w.at += int64(n)
	return b[:n], unlessEnd(err)
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func (w *window) close() {
	if w.r != nil {
		_ = w.r.Close() // only read
	}
}
