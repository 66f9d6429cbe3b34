package sarif

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// rootSpellings returns the absolute path of root and, if it differs, the path with symbolic links resolved, since scanners
// report either.
func rootSpellings(root string) []string {
	if root == "" {
		return nil
	}
	if abs, err := filepath.Abs(root); err == nil {
		root = abs
	}
	out := []string{clean(filePath(filepath.ToSlash(root)))}
	if real, err := filepath.EvalSymlinks(root); err == nil && filepath.ToSlash(real) != out[0] {
		out = append(out, filepath.ToSlash(real))
	}
	return out
}

// links finds symbolic links that lead out of a root directory.
type links struct {
	root string          // with its own links resolved; "" if there is no such directory on this machine
	dirs map[string]bool // whether a directory is outside; bounded by maxDirs
}

const maxDirs = 10_000

func newLinks(root string) links {
	real, err := filepath.EvalSymlinks(root)
	if root == "" || err != nil {
		return links{}
	}
	if real, err = filepath.Abs(real); err != nil {
		return links{}
	}
	return links{root: real, dirs: map[string]bool{}}
}

// escapes reports whether a symbolic link in the relative path p leads out of the root. A path that does not exist
// does not escape.
func (f *File) escapes(p string) bool {
	l := &f.links
	if l.root == "" || p == "" {
		return false
	}
	dir := path.Dir(p)
	if strings.Contains(p, "..") { // path.Dir would clean it, but the parent of a link's target is elsewhere
		dir = p
	}
	out, known := l.dirs[dir]
	if !known {
		if len(l.dirs) == maxDirs {
			clear(l.dirs)
		}
		out = l.outside(dir)
		l.dirs[dir] = out
	}
	if out || dir == p {
		return out
	}
	info, err := os.Lstat(l.root + string(filepath.Separator) + filepath.FromSlash(p))
	return err == nil && info.Mode()&fs.ModeSymlink != 0 && l.outside(p)
}

// outside resolves all links of the part of p that exists, and reports whether the result is outside of the root. It
// looks for that part from the top, so that a long path that does not exist costs one system call.
func (l *links) outside(p string) bool {
	existing, real := "", l.root
	for i := 0; i < len(p); i++ {
		end := strings.IndexByte(p[i:], '/')
		if end < 0 {
			end = len(p) - i
		}
		if i += end; p[:i] == "." {
			continue
		}
		next := l.root + string(filepath.Separator) + filepath.FromSlash(p[:i])
		if _, err := os.Lstat(next); err != nil {
			break
		}
		existing = next
	}
	if existing != "" {
		var err error
		if real, err = filepath.EvalSymlinks(existing); err != nil {
			return false // a cycle of links or a dangling one: there is nothing to open
		}
	}
	rel, err := filepath.Rel(l.root, real)
	return err != nil || !filepath.IsLocal(rel)
}
