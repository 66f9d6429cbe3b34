// Package walimage reads a SQLite database and its write-ahead log without SQLite's recovery, which ends silently at the
// first damaged frame of the log. It finds the commits behind the damage, and shows the database as it was after any
// prefix of the log, without changing or copying a file.
package walimage

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// Files are a database and its write-ahead log, open for reading.
type Files struct {
	Size int64 // bytes of the database
	Log  *Log

	db, wal *os.File // each may be nil
}

// Open opens and scans the files at path. A database that is missing beside a log counts as an empty one.
func Open(path string) (_ *Files, err error) {
	f := &Files{Log: &Log{PageSize: defaultPageSize}}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.wal, err = os.Open(path + "-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if f.db, err = os.Open(path); errors.Is(err, fs.ErrNotExist) && f.wal != nil {
		f.db, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if f.db != nil {
		st, err := f.db.Stat()
		if err != nil {
			return nil, err
		}
		f.Size = st.Size()
	}
	if f.wal != nil {
		f.Log, err = Scan(f.wal, readIndex(path+"-shm"))
	}
	return f, err
}

// readIndex returns the mark in the index of a log, or the zero Mark if it cannot be read.
func readIndex(path string) Mark {
	f, err := os.Open(path)
	if err != nil {
		return Mark{}
	}
	defer f.Close()
	head := make([]byte, 100)
	n, _ := io.ReadFull(f, head)
	return ReadMark(head[:n])
}

// Close closes the files.
func (f *Files) Close() {
	for _, file := range []*os.File{f.db, f.wal} {
		if file != nil {
			_ = file.Close() // nothing was written
		}
	}
}
