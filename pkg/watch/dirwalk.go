package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// The bounds of a walk: what is deeper or more is left alone, and the look says so.
const (
	maxDepth = 64
	maxFiles = 250_000
)

// thing is what is kept or removed as a whole: a file, or with Dir.Entries all that one name in the directory stands for.
type thing struct {
	path    string // below the root, with slashes
	bytes   int64  // on disk
	files   int
	used    time.Time // when something of it was read or written last
	touched time.Time // the same, changes of names and modes included
	strange bool      // it has something other than files, directories and links, or could not be read whole
	members []member  // files and links, and directories behind what is in them
}

// member is a file as it was when it was seen.
type member struct {
	path string
	stat fileStat
	dir  bool
}

// fileStat is what a system says of a file.
type fileStat struct {
	device, inode, links uint64
	bytes                int64 // on disk
	read, written, meta  time.Time
}

// walked is what a walk has found.
type walked struct {
	things []*thing
	bytes  int64
	files  int
	errs   firstErrors

	ctx     context.Context
	entries bool
	device  uint64
	linked  map[[2]uint64]bool // files with several names, counted once
	current *thing             // with entries: the one that is walked
}

// firstErrors keeps the first of many errors: a directory may have a million files that all fail alike.
type firstErrors []error

func (e *firstErrors) add(err error) {
	if err != nil && len(*e) < 5 {
		*e = append(*e, err)
	}
}

var errTooMuch = fmt.Errorf("there are over %d files, or directories deeper than %d: only some were looked at", maxFiles, maxDepth)

// walk visits everything below root.
func walk(ctx context.Context, root *os.Root, entries bool) *walked {
	w := &walked{ctx: ctx, entries: entries, linked: map[[2]uint64]bool{}}
	info, err := root.Lstat(".")
	if err != nil {
		w.errs.add(err)
		return w
	}
	w.device = statOf(info).device
	w.dir(root, "", 0)
	return w
}

// dir visits a directory, of which root is a handle of its own: no link can lead away from it. It says whether it has
// seen everything.
func (w *walked) dir(root *os.Root, below string, depth int) bool {
	f, err := root.Open(".")
	if err != nil {
		w.errs.add(err)
		return false
	}
	defer f.Close() // opened for reading
	for whole := true; ; {
		names, err := f.Readdirnames(1000)
		for _, name := range names {
			if err := w.enough(); err != nil {
				w.errs.add(err)
				return false
			}
			whole = w.visit(root, path.Join(below, name), name, depth) && whole
		}
		if errors.Is(err, io.EOF) {
			return whole
		}
		if err != nil {
			w.errs.add(err)
			return false
		}
	}
}

// enough returns why the walk does not go on.
func (w *walked) enough() error {
	if w.files >= maxFiles {
		return errTooMuch
	}
	return w.ctx.Err()
}

// visit takes down one name of a directory.
func (w *walked) visit(root *os.Root, full, name string, depth int) (whole bool) {
	info, err := root.Lstat(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return true // it was removed meanwhile
		}
		w.errs.add(err)
		return false
	}
	if depth == 0 && w.entries {
		w.current = w.begin(full)
	}
	s := statOf(info)
	switch mode := info.Mode(); {
	case mode.IsDir():
		whole = w.enter(root, full, name, s, depth)
		w.member(member{full, s, true}, !whole)
		return whole
	case mode.IsRegular(), mode.Type() == fs.ModeSymlink && w.entries:
		w.member(member{full, s, false}, false)
	case w.entries: // a socket, a pipe, a device
		w.current.strange = true
	}
	return true
}

func (w *walked) enter(root *os.Root, full, name string, s fileStat, depth int) (whole bool) {
	if s.device != w.device {
		return false // another file system
	}
	if depth >= maxDepth {
		w.errs.add(errTooMuch)
		return false
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		w.errs.add(err)
		return false
	}
	defer sub.Close()
	return w.dir(sub, full, depth+1)
}

func (w *walked) begin(full string) *thing {
	t := &thing{path: full}
	w.things = append(w.things, t)
	return t
}

// member adds a file, or a directory behind what is in it, to the thing that it belongs to.
func (w *walked) member(m member, strange bool) {
	t := w.current
	if !w.entries {
		if m.dir {
			return
		}
		t = w.begin(m.path)
	}
	t.members = append(t.members, m)
	t.strange = t.strange || strange
	if m.dir {
		return
	}
	t.used = latest(t.used, m.stat.read, m.stat.written)
	t.touched = latest(t.touched, m.stat.read, m.stat.written, m.stat.meta)
	t.files++
	w.files++
	if id := [2]uint64{m.stat.device, m.stat.inode}; m.stat.links > 1 {
		if w.linked[id] {
			return
		}
		w.linked[id] = true
	}
	t.bytes += m.stat.bytes
	w.bytes += m.stat.bytes
}

func latest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(first) {
			first = t
		}
	}
	return first
}
