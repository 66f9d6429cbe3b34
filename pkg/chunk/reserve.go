package chunk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// reserve is a file beside the database that holds disk space back. SQLite needs space to delete, too: on a full disk
// nothing could be uploaded and freed any more. The reserve is then given up, and no report taken until it is back.
type reserve struct {
	path  string
	size  int64
	spent bool
}

// reserveBytes is enough for the WAL of many deletions and for folding it into the database once.
const reserveBytes = 8 << 20

// reserveShare is the part of the storage limit that the reserve takes.
func reserveShare(limit int64) int64 {
	if limit == 0 {
		return reserveBytes
	}
	return min(reserveBytes, limit/8)
}

// restore takes the space; an error means that there is not enough.
func (r *reserve) restore() error {
	if st, err := os.Stat(r.path); err == nil && st.Size() == r.size {
		r.spent = false
		return nil
	}
	r.spent = true
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(allocate(f, r.size), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("hold back %d bytes of disk: %w", r.size, err), r.spend())
	}
	r.spent = false
	return nil
}

// spend gives the space to the database.
func (r *reserve) spend() error {
	r.spent = true
	if err := os.Remove(r.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeZeros allocates by writing, where the system has no better way.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// isNoSpace says whether err means that the disk is full, or the database may not grow.
func isNoSpace(err error) bool {
	var s *sqlite.Error
	return errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_FULL
}

// isFull says whether err may mean that the disk is full: shared memory and fsync say so by an I/O error.
func isFull(err error) bool {
	var s *sqlite.Error
	if !errors.As(err, &s) {
		return false
	}
	code := s.Code() & 0xff
	return code == sqlite3.SQLITE_FULL || code == sqlite3.SQLITE_IOERR
}
