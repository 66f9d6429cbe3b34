package sarif

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// root is the directory that was scanned. The zero value is no directory: nothing is below it.
type root struct {
	spellings []string // absolute path as given and, if it differs, with symbolic links resolved: scanners report either
	links     links
}

func newRoot(dir string) root {
	if dir == "" {
		return root{}
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	r := root{spellings: []string{clean(filePath(filepath.ToSlash(dir)))}}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		r.links = links{root: real, dirs: map[string]bool{}}
		if real = filepath.ToSlash(real); real != r.spellings[0] {
			r.spellings = append(r.spellings, real)
		}
	}
	return r
}

// isBelow reports whether the root is below dir. The directory "/" does not count, since some tools give it as a base of
// every scan.
func (r *root) isBelow(dir string) bool {
	dir = clean(dir) + "/"
	return dir != "//" && slices.ContainsFunc(r.spellings, func(s string) bool { return strings.HasPrefix(s, dir) })
}

// excludes reports whether the clean path p is not below the root: it is absolute and elsewhere, begins with "..", or
// contains a symbolic link that leads out of the root.
func (r *root) excludes(p string) bool {
	if hasScheme(p) {
		return false
	}
	if isAbs(p) {
		_, inside := r.below(p)
		return len(r.spellings) > 0 && !inside
	}
	return p == ".." || strings.HasPrefix(p, "../") || r.escapes(p)
}

// below returns the absolute path p relative to the root, and whether it is below the root.
func (r *root) below(p string) (string, bool) {
	if !isAbs(p) {
		return "", false
	}
	p = clean(p)
	for _, s := range r.spellings {
		head, tail := p[:min(len(p), len(s))], p[min(len(p), len(s)):]
		same := head == s || isDrive(s) && strings.EqualFold(head, s)
		switch {
		case same && tail == "": // the root itself, which may be a file
			return path.Base(p), true
		case same && (tail[0] == '/' || strings.HasSuffix(s, "/")):
			tail = strings.TrimPrefix(tail, "/")
			return tail, !isAbs(tail) // a file named C: cannot be told from a drive
		}
	}
	return "", false
}

// links finds symbolic links that lead out of a root directory.
type links struct {
	root string          // with its own links resolved; "" if there is no such directory on this machine
	dirs map[string]bool // whether a directory is outside; bounded by maxDirs
}

const maxDirs = 10_000

// escapes reports whether a symbolic link in the relative path p leads out of the root. A path that does not exist
// does not escape.
func (r *root) escapes(p string) bool {
	l := &r.links
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
