package sqlitedb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Reserve is a file that holds disk space back. The zero Reserve holds none. It is not safe for concurrent use.
type Reserve struct {
	Path     string
	Size     int64
	Released bool // the space was given to the database and is not restored yet
}

// Restore takes the space from the disk. It fails if there is not enough.
func (r *Reserve) Restore() error {
	if st, err := os.Stat(r.Path); r.Size == 0 || err == nil && st.Size() == r.Size {
		r.Released = false
		return nil
	}
	r.Released = true
	f, err := os.OpenFile(r.Path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(allocate(f, r.Size), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("hold back %d bytes of disk: %w", r.Size, err), r.Release())
	}
	r.Released = false
	return nil
}

// Release gives the space to the database. It fails if nothing is held back at all.
func (r *Reserve) Release() error {
	if r.Path == "" || r.Size == 0 {
		return errors.New("no disk space is held back")
	}
	r.Released = true
	if err := os.Remove(r.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeZeros allocates by writing, on systems that have no better way.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}
