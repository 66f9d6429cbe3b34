package audit

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

const (
	frameBytes    = 1 << 20 // size of the lines in one zstd frame, so that memory does not grow with the file
	compressLevel = 3
	tmpSuffix     = ".tmp"
)

// compressAll compresses the rotated files, oldest first, until Stop.
func (l *Logger) compressAll() {
	all, err := logfile.RotatedFiles(l.cfg.LogFile)
	if err != nil {
		return // an unreadable directory also fails the next write, which reports it
	}
	for i := range all {
		if all[i].Compressed {
			continue
		}
		err := compress(&all[i], l.quit)
		if errors.Is(err, errStopping) {
			return
		}
		if err != nil {
			l.complain("compress a rotated log: " + err.Error())
		}
	}
}

var errStopping = errors.New("stopping")

// compress replaces a rotated file with a compressed one. It removes the file when the compressed one is completely on disk, so
// a crash leaves the file or both.
func compress(s *logfile.Segment, quit chan struct{}) error {
	src, info, err := s.Open()
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read
	tmp := s.Path + logfile.ZstdSuffix + tmpSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a crash
		return err
	}
	dst, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|logfile.OpenFlags, 0o600)
	if err != nil {
		return err
	}
	err = compressTo(dst, src, quit)
	if err == nil {
		err = dst.Sync()
	}
	err = errors.Join(err, dst.Close())
	if err == nil {
		err = os.Chtimes(tmp, info.ModTime(), info.ModTime()) // retention uses it
	}
	if err == nil {
		err = os.Rename(tmp, s.Path+logfile.ZstdSuffix)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	logfile.SyncDir(filepath.Dir(s.Path))
	_ = src.Close() // Windows does not remove an open file
	return os.Remove(s.Path)
}

func compressTo(dst io.Writer, src io.Reader, quit chan struct{}) error {
	buf := make([]byte, frameBytes)
	var out []byte
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			out = codec.Compress(out[:0], buf[:n], compressLevel)
			if _, err := dst.Write(out); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-quit:
			return errStopping
		default:
		}
	}
}
