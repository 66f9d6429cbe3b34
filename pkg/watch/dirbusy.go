package watch

import "strings"

// busyFiles are paths below a directory that are in use.
type busyFiles struct {
	open   []string // files, and directories in which a process works
	locked []string // directories in which a lock is held; empty: the one that is looked at
}

// has says whether a thing is in use, by itself, by something in it, or by a lock beside or above it.
func (b busyFiles) has(thing string) bool {
	for _, file := range b.open {
		if file == thing || strings.HasPrefix(file, thing+"/") {
			return true
		}
	}
	for _, dir := range b.locked {
		if dir == "" || dir == thing || strings.HasPrefix(thing, dir+"/") || strings.HasPrefix(dir, thing+"/") {
			return true
		}
	}
	return false
}
