package sarif

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// rootSpellings returns the root as it is given and, if that is another, with its symbolic links followed, since
// scanners report either.
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

// links looks for symbolic links that lead out of a root directory.
type links struct {
	root string          // with its own links followed; "": there is no such directory here, and nothing to look at
	dirs map[string]bool // the directories that were looked at, and whether they are outside
}

// maxDirs bounds links.dirs.
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

// leaves says whether a relative path, which does not climb, leads out of the root by a symbolic link. What does not
// exist leads nowhere.
func (f *File) leaves(p string) bool {
	l := &f.links
	if l.root == "" || p == "" {
		return false
	}
	dir := path.Dir(p)
	if strings.Contains(p, "..") { // Dir cleans it, but behind a link .. is elsewhere
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

// outside follows all links of a path, as far as it exists. That is found from the top, so that a long path into nowhere
// costs one look.
func (l *links) outside(p string) bool {
	there, real := "", l.root
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
		there = next
	}
	if there != "" {
		var err error
		if real, err = filepath.EvalSymlinks(there); err != nil {
			return false // a circle of links, or one to what does not exist: nothing to open there
		}
	}
	rel, err := filepath.Rel(l.root, real)
	return err != nil || !filepath.IsLocal(rel)
}
