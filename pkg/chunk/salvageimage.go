package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"modernc.org/sqlite/vfs"
)

// storeFiles are the database and its log, open for reading only.
type storeFiles struct {
	db, wal *os.File // wal may be nil
	size    int64    // of db
	log     *walScan
}

// openFiles opens and scans what is at path. A database that is missing beside a log is an empty one.
func openFiles(path string) (_ *storeFiles, err error) {
	f := &storeFiles{log: &walScan{pageSize: sqlitedb.PageSize}}
	defer func() {
		if err != nil {
			f.close()
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
		f.size = st.Size()
	}
	if f.wal == nil {
		return f, nil
	}
	var mark walMark
	if shm, err := os.Open(path + "-shm"); err == nil { // a help where there is one
		head := make([]byte, 100)
		n, _ := io.ReadFull(shm, head)
		mark = readMark(head[:n])
		_ = shm.Close()
	}
	f.log, err = scanWAL(f.wal, mark)
	return f, err
}

func (f *storeFiles) close() {
	for _, file := range []*os.File{f.db, f.wal} {
		if file != nil {
			_ = file.Close() // nothing was written
		}
	}
}

// image is a database as it is after some frames of its log, without anything being copied. It is the one file of a
// file system that SQLite reads through.
type image struct {
	files *storeFiles
	size  int64
	pages map[uint32]int64 // by number: where the log has it
	first []byte           // page 1, where it is not that of the files; nil: it is
}

// imageOf applies the good ones of frames.
func imageOf(f *storeFiles, frames []walFrame) *image {
	m := &image{files: f, size: f.size, pages: map[uint32]int64{}}
	for _, fr := range frames {
		if fr.good {
			m.pages[fr.page] = fr.at
		}
		if fr.good && fr.pages > 0 {
			m.size = int64(fr.pages) * f.log.pageSize
		}
	}
	return m
}

// ReadAt reads as if the log were folded in. What neither file has is zeros, which SQLite finds to be damage.
func (m *image) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && off < m.size {
		page, in := off/m.files.log.pageSize, off%m.files.log.pageSize
		part := b[n:min(int64(len(b)), int64(n)+min(m.files.log.pageSize-in, m.size-off))]
		if err := m.readPage(part, page, in); err != nil {
			return n, err
		}
		n += len(part)
		off += int64(len(part))
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (m *image) readPage(b []byte, page, in int64) error {
	if page == 0 && m.first != nil {
		copy(b, m.first[min(in, int64(len(m.first))):])
		return nil
	}
	from, off := m.files.db, page*m.files.log.pageSize+in
	if at, ok := m.pages[uint32(page+1)]; ok {
		from, off = m.files.wal, at+in
	}
	n := 0
	if from != nil {
		var err error
		if n, err = from.ReadAt(b, off); err != nil && err != io.EOF {
			return err
		}
	}
	clear(b[n:])
	return nil
}

// imageFS is the file system; SQLite asks it for journals, too, of which it has none.
type imageFS struct{ *image }

const imageName = "store"

func (i imageFS) Open(name string) (fs.File, error) {
	if name != imageName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return imageFile{io.NewSectionReader(i.image, 0, i.size)}, nil
}

type imageFile struct{ *io.SectionReader }

func (f imageFile) Close() error               { return nil }
func (f imageFile) Stat() (fs.FileInfo, error) { return imageInfo{f.Size()}, nil }

type imageInfo struct{ size int64 }

func (i imageInfo) Name() string       { return imageName }
func (i imageInfo) Size() int64        { return i.size }
func (i imageInfo) Mode() fs.FileMode  { return 0o400 }
func (i imageInfo) ModTime() time.Time { return time.Time{} }
func (i imageInfo) IsDir() bool        { return false }
func (i imageInfo) Sys() any           { return nil }

// open lets use read the image through SQLite.
func (m *image) open(ctx context.Context, use func(*sql.DB) error) (err error) {
	name, files, err := vfs.New(imageFS{m})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	d, err := sql.Open("sqlite", fmt.Sprintf("file:%s?vfs=%s&immutable=1&mode=ro&_pragma=cell_size_check(1)", imageName, name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	d.SetMaxOpenConns(2) // one that walks a table, one that looks up what belongs to its rows
	return use(d)
}
