package walimage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"modernc.org/sqlite/vfs"
)

// Image is a database as it is after some frames of its log. SQLite reads it through a file system of one file.
type Image struct {
	// First replaces the first page of the database. Nil means that the files have it.
	First []byte

	files *Files
	size  int64
	pages map[uint32]int64 // offset in the log of the pages that the log has, by page number
}

// Image returns the database after the intact ones among frames.
func (f *Files) Image(frames []Frame) *Image {
	m := &Image{files: f, size: f.Size, pages: map[uint32]int64{}}
	for _, fr := range frames {
		if fr.intact {
			m.pages[fr.page] = fr.at
		}
		if fr.intact && fr.pages > 0 {
			m.size = int64(fr.pages) * f.Log.PageSize
		}
	}
	return m
}

// Size returns the size of the database in bytes.
func (m *Image) Size() int64 { return m.size }

// ReadAt reads as if the log were checkpointed. A page that neither file has is zeros, which SQLite reports as damage.
func (m *Image) ReadAt(b []byte, off int64) (n int, err error) {
	size := m.files.Log.PageSize
	for n < len(b) && off < m.size {
		page, in := off/size, off%size
		part := b[n:min(int64(len(b)), int64(n)+min(size-in, m.size-off))]
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

func (m *Image) readPage(b []byte, page, in int64) error {
	if page == 0 && m.First != nil {
		copy(b, m.First[min(in, int64(len(m.First))):])
		return nil
	}
	from, off := m.files.db, page*m.files.Log.PageSize+in
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

// Open calls use with the image opened by SQLite.
func (m *Image) Open(ctx context.Context, use func(*sql.DB) error) (err error) {
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
	d.SetMaxOpenConns(2) // one that walks a table, one that looks up rows of another
	return use(d)
}

// imageFS is a file system with one file. SQLite also looks for journals in it.
type imageFS struct{ *Image }

const imageName = "store"

func (i imageFS) Open(name string) (fs.File, error) {
	if name != imageName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return imageFile{io.NewSectionReader(i.Image, 0, i.size)}, nil
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
