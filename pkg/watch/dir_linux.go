package watch

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func statOf(info fs.FileInfo) fileStat {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileStat{}
	}
	at := func(t syscall.Timespec) time.Time { return time.Unix(t.Unix()) }
	return fileStat{
		device: uint64(s.Dev), inode: s.Ino, links: uint64(s.Nlink), bytes: s.Blocks * 512,
		read: at(s.Atim), written: at(s.Mtim), meta: at(s.Ctim),
	}
}

// openFiles returns what processes that we may look into have open below dir, which has no links in it. Links of
// /proc are read and not followed: to ask a dead file server for a file would hang.
func openFiles(dir string) (busy busyFiles) {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		if target, err := os.Readlink(p + "/cwd"); err == nil {
			if rel, ok := below(dir, target); ok && rel != "" {
				busy.open = append(busy.open, rel)
			}
		}
		fds, err := os.ReadDir(p + "/fd")
		if err != nil {
			continue // of somebody else, or gone
		}
		for _, fd := range fds {
			target, err := os.Readlink(p + "/fd/" + fd.Name())
			if err != nil {
				continue
			}
			rel, ok := below(dir, target)
			if !ok || rel == "" {
				continue
			}
			busy.open = append(busy.open, rel)
			if locked(p, fd.Name()) {
				busy.locked = append(busy.locked, strings.TrimPrefix(filepath.Dir("/"+rel), "/"))
			}
		}
	}
	return busy
}

func below(dir, target string) (rel string, ok bool) {
	if target == dir {
		return "", true
	}
	return strings.CutPrefix(target, dir+"/")
}

// locked says whether a lock is held through an open file.
func locked(process, fd string) bool {
	if _, err := strconv.Atoi(fd); err != nil {
		return false
	}
	b, err := os.ReadFile(process + "/fdinfo/" + fd)
	return err == nil && bytes.Contains(b, []byte("\nlock:"))
}
