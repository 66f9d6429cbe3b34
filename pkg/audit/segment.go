package audit

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
const zstdSuffix = ".zst"

// segment is one file of a log.
type segment struct {
	path       string
	stamp      time.Time // of the rotation, by its name; zero: the current file
	compressed bool
	header     fileHeader // zero when the first line is none
	first      uint64     // number of its first line; 0: it has none
	info       os.FileInfo
}

func (s *segment) name() string { return filepath.Base(s.path) }

// same reports whether s and o are one file, before and after it was renamed or compressed.
func (s *segment) same(o *segment) bool {
	return s.header.FileID != "" && s.header.FileID == o.header.FileID || os.SameFile(s.info, o.info)
}

// rotatedFiles returns the rotated files of the log at path, plain and compressed, oldest name first, unread. Of a file
// that is there in both forms, as after a crash, it returns the plain one.
func rotatedFiles(path string) ([]segment, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	ext := filepath.Ext(path)
	prefix := strings.TrimSuffix(filepath.Base(path), ext) + "-"
	var out []segment
	for _, e := range entries { // in the order of their names, so x.log comes before x.log.zst
		name, compressed := strings.CutSuffix(e.Name(), zstdSuffix)
		stamp, ok := strings.CutPrefix(strings.TrimSuffix(name, ext), prefix)
		if !ok || !strings.HasSuffix(name, ext) || !e.Type().IsRegular() {
			continue
		}
		t, err := time.Parse(stampFormat, stamp)
		if err != nil || len(out) > 0 && out[len(out)-1].stamp.Equal(t) {
			continue
		}
		out = append(out, segment{path: filepath.Join(filepath.Dir(path), e.Name()), stamp: t, compressed: compressed})
	}
	return out, nil
}

// segments returns the files of the log at path in the order of their lines. They may be rotated, compressed and deleted
// meanwhile, and a directory that changes may be read without either name of a file; so it looks until nothing changed.
func segments(path string) ([]segment, error) {
	all, err := listFiles(path)
	for try := 1; err == nil; try++ {
		var out, again []segment
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
func listFiles(path string) ([]segment, error) {
	all, err := rotatedFiles(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil {
		all = append(all, segment{path: path, info: info})
	}
	return all, nil
}

// sameListed reports whether two listings have the same file, compressed meanwhile or not. Only the current one's name is
// used again.
func sameListed(a, b segment) bool {
	return a.stamp.Equal(b.stamp) && (a.info == nil || os.SameFile(a.info, b.info))
}

// inOrder looks into the files and sorts them. A file that is gone is left out.
func inOrder(all []segment) ([]segment, error) {
	k := newLinker()
	var out []segment
	var order uint64
	orders := map[string]uint64{}
	for _, s := range all {
		err := s.look(k)
		if errors.Is(err, os.ErrNotExist) && !s.compressed && !s.stamp.IsZero() { // compressed since it was listed
			s.path, s.compressed = s.path+zstdSuffix, true
			err = s.look(k)
		}
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.first > 0 {
			order = s.first
		}
		orders[s.path] = order // a file without a number stays behind the one before it
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b segment) int { return cmp.Compare(orders[a.path], orders[b.path]) })
	return out, nil
}

// lookLines is how far look searches for the first number.
const lookLines = 4

// look reads the begin of the file.
func (s *segment) look(k *linker) error {
	r, info, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	s.info = info
	br := bufio.NewReaderSize(r, MaxLineBytes)
	for i := range lookLines {
		line, err := br.ReadSlice('\n')
		if h, ok := parseHeader(k, line); ok && i == 0 {
			s.header, s.first = h, h.FirstSeq
			return nil
		}
		if end, ok := parseSealed(line); ok && end.seq > 0 {
			s.first = end.seq
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
func (s *segment) open() (io.ReadCloser, os.FileInfo, error) {
	f, err := os.OpenFile(s.path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", s.path)
	}
	if err != nil || !s.compressed {
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
