package scan

import (
	"fmt"
	"io/fs"
	"maps"
	"testing"
	"testing/fstest"
)

// closedFS refuses to list one of its directories.
type closedFS struct {
	fstest.MapFS
	closed string
}

func (f closedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == f.closed {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f.MapFS.ReadDir(name)
}

func TestCountFiles(t *testing.T) {
	file := func(n int) *fstest.MapFile { return &fstest.MapFile{Data: make([]byte, n)} }
	many := fstest.MapFS{}
	for i := range maxWalk + 10 {
		many[fmt.Sprintf("f%d", i)] = file(0)
	}
	tree := fstest.MapFS{"a": file(3), "b/c": file(4), ".git/config": file(100), "d": &fstest.MapFile{Mode: fs.ModeDir}, "l": &fstest.MapFile{Mode: fs.ModeSymlink}}
	for name, tt := range map[string]struct {
		fs   fs.FS
		want targetSize
	}{
		"files":          {tree, targetSize{files: 2, bytes: 7}},
		"empty":          {fstest.MapFS{"d/e": &fstest.MapFile{Mode: fs.ModeDir}}, targetSize{}},
		"nothing is out": {fstest.MapFS{".git/config": file(1)}, targetSize{}},
		"unreadable":     {closedFS{tree, "b"}, targetSize{files: 1, bytes: 3, unread: 1}},
		"many":           {many, targetSize{files: maxWalk - 1, more: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := countFiles(tt.fs, "."); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if got, want := countFiles(tree, "b/c"), (targetSize{files: 1, bytes: 4}); got != want {
		t.Errorf("of one file: got %+v", got)
	}
	if got := (targetSize{files: 1, more: true}).details(); !maps.Equal(got, map[string]any{"target_files": 1, "target_bytes": int64(0), "target_more": true}) {
		t.Errorf("details %v", got)
	}
}
