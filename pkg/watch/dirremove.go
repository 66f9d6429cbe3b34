package watch

import (
	"errors"
	"io/fs"
	"os"
)

// remove removes the thing, but for what has changed since it was seen. A file frees its bytes with its last name.
func (t *thing) remove(root *os.Root, errs *firstErrors) (freed int64, files int) {
	for _, m := range t.members {
		info, err := root.Lstat(m.path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				errs.add(err)
			}
			continue
		}
		now := statOf(info)
		if !now.same(m) {
			continue // somebody has put it there anew
		}
		if err := root.Remove(m.path); err != nil {
			if !m.dir { // a directory that is not empty has something new in it
				errs.add(err)
			}
			continue
		}
		if m.dir {
			continue
		}
		files++
		if now.links <= 1 {
			freed += now.bytes
		}
	}
	return freed, files
}

// same says whether this is the file that was seen, unchanged; a directory changes when something of it is removed.
func (s fileStat) same(m member) bool {
	return s.device == m.stat.device && s.inode == m.stat.inode && (m.dir || s.written.Equal(m.stat.written))
}
