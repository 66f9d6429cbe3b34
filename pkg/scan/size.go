package scan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// targetSize is what a target holds, without the directory .git.
type targetSize struct {
	files  int   // regular ones
	bytes  int64 // of them
	unread int   // files and directories that may not be looked at
	more   bool  // there is more than that: the count was given up
}

// maxWalk is how many files and directories are counted. It bounds what the count costs.
const maxWalk = 50_000

// sizeOf counts what a file or directory holds. What is gone meanwhile counts nothing.
func sizeOf(target string) targetSize {
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real
	}
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		return countFiles(os.DirFS(target), ".")
	}
	return countFiles(os.DirFS(filepath.Dir(target)), filepath.Base(target))
}

func countFiles(fsys fs.FS, root string) (s targetSize) {
	entries := 0
	note := func(err error) {
		if errors.Is(err, fs.ErrPermission) {
			s.unread++
		}
	}
	_ = fs.WalkDir(fsys, root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			note(err)
			return nil
		}
		if entries++; entries > maxWalk {
			s.more = true
			return fs.SkipAll
		}
		if e.IsDir() && e.Name() == ".git" {
			return fs.SkipDir
		}
		if e.Type().IsRegular() {
			info, err := e.Info()
			if err != nil {
				note(err)
				return nil
			}
			s.files++
			s.bytes += info.Size()
		}
		return nil
	})
	return s
}

// Classes of size: below 1 MiB, and then eightfold each, up to the last one without a bound.
const (
	firstClass = 1 << 20
	maxClass   = 6
)

// class says how large a target is, roughly; one that was not counted to its end is of the last class.
func (s targetSize) class() int {
	if s.more {
		return maxClass
	}
	class := 0
	for limit := int64(firstClass); s.bytes >= limit && class < maxClass; limit *= 8 {
		class++
	}
	return class
}

// details are the numbers for an event or a report.
func (s targetSize) details() map[string]any {
	d := map[string]any{"target_files": s.files, "target_bytes": s.bytes}
	if s.more {
		d["target_more"] = true
	}
	return d
}
