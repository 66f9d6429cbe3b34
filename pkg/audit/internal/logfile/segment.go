package logfile

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/codec"
)

// zstdSuffix is what the name of a compressed file has over the rotated one's.
const ZstdSuffix = ".zst"

// segment is one file of a log.
type Segment struct {
	Path       string
	Stamp      time.Time // of the rotation, by its name; zero: the current file
	Compressed bool
	Header     Header // zero when the first line is none
	First      uint64 // number of its first line; 0: it has none
	Info       os.FileInfo
}

func (s *Segment) Name() string { return filepath.Base(s.Path) }

// same reports whether s and o are one file, before and after it was renamed or compressed.
func (s *Segment) Same(o *Segment) bool {
	return s.Header.FileID != "" && s.Header.FileID == o.Header.FileID || os.SameFile(s.Info, o.Info)
}

// rotatedFiles returns the rotated files of the log at path, plain and compressed, oldest name first, unread. Of a file
// that is there in both forms, as after a crash, it returns the plain one.
func RotatedFiles(path string) ([]Segment, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	ext := filepath.Ext(path)
	prefix := strings.TrimSuffix(filepath.Base(path), ext) + "-"
	var out []Segment
	for _, e := range entries { // in the order of their names, so x.log comes before x.log.zst
		name, compressed := strings.CutSuffix(e.Name(), ZstdSuffix)
		stamp, ok := strings.CutPrefix(strings.TrimSuffix(name, ext), prefix)
		if !ok || !strings.HasSuffix(name, ext) || !e.Type().IsRegular() {
			continue
		}
		t, err := time.Parse(StampFormat, stamp)
		if err != nil || len(out) > 0 && out[len(out)-1].Stamp.Equal(t) {
			continue
		}
		out = append(out, Segment{Path: filepath.Join(filepath.Dir(path), e.Name()), Stamp: t, Compressed: compressed})
	}
	return out, nil
}

// segments returns the files of the log at path in the order of their lines. They may be rotated, compressed and deleted
// meanwhile, and a directory that changes may be read without either name of a file; so it looks until nothing changed.
func Segments(path string) ([]Segment, error) {
	all, err := listFiles(path)
	for try := 1; err == nil; try++ {
		var out, again []Segment
		if out, err = inOrder(all); err != nil {
			break
		}
		if again, err = listFiles(path); err == nil && (try == maxLooks || slices.EqualFunc(all, again, sameListed)) {
			return out, nil
		}
		all = again
	}
	return nil, err
}

// maxLooks bounds the looks at a directory that never stops changing.
const maxLooks = 10

// listFiles returns the rotated files of the log at path and, if it is there, the current one.
func listFiles(path string) ([]Segment, error) {
	all, err := RotatedFiles(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil {
		all = append(all, Segment{Path: path, Info: info})
	}
	return all, nil
}

// sameListed reports whether two listings have the same file, compressed meanwhile or not. Only the current one's name is
// used again.
func sameListed(a, b Segment) bool {
	return a.Stamp.Equal(b.Stamp) && (a.Info == nil || os.SameFile(a.Info, b.Info))
}

// inOrder looks into the files and sorts them. A file that is gone is left out.
func inOrder(all []Segment) ([]Segment, error) {
	k := NewLinker()
	var out []Segment
	var order uint64
	orders := map[string]uint64{}
	for _, s := range all {
		err := s.Inspect(k)
		if errors.Is(err, os.ErrNotExist) && !s.Compressed && !s.Stamp.IsZero() { // compressed since it was listed
			s.Path, s.Compressed = s.Path+ZstdSuffix, true
			err = s.Inspect(k)
		}
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.First > 0 {
			order = s.First
		}
		orders[s.Path] = order // a file without a number stays behind the one before it
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b Segment) int { return cmp.Compare(orders[a.Path], orders[b.Path]) })
	return out, nil
}

// lookLines is how far look searches for the first number.
const lookLines = 4

// look reads the begin of the file.
func (s *Segment) Inspect(k *Linker) error {
	r, info, err := s.Open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	s.Info = info
	br := bufio.NewReaderSize(r, MaxLineBytes)
	for i := range lookLines {
		line, err := br.ReadSlice('\n')
		if h, ok := ParseHeader(k, line); ok && i == 0 {
			s.Header, s.First = h, h.FirstSeq
			return nil
		}
		if end, ok := ParseEnd(line); ok && end.Seq > 0 {
			s.First = end.Seq
			return nil
		}
		if err != nil {
			return nil // no line that has a number: Verify says what that means
		}
	}
	return nil
}

// maxFileBytes bounds what comes out of a compressed file: LoggerConfig.MaxSizeMB allows no larger ones.
const maxFileBytes = 1 << 40

// open opens the file for reading its lines.
func (s *Segment) Open() (io.ReadCloser, os.FileInfo, error) {
	f, err := os.OpenFile(s.Path, os.O_RDONLY|OpenFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", s.Path)
	}
	if err != nil || !s.Compressed {
		if err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
		return f, fi, nil
	}
	z, err := codec.NewReader(codec.Zstd, f, codec.Limits{MaxCompressed: maxFileBytes, MaxDecompressed: maxFileBytes, MaxRatio: 1 << 20})
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return &zstdFile{z, f}, fi, nil
}

type zstdFile struct {
	io.ReadCloser
	f *os.File
}

func (z *zstdFile) Close() error { return errors.Join(z.ReadCloser.Close(), z.f.Close()) }
