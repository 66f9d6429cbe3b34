//go:build unix

package scan

import (
	"io/fs"
	"os"
	"syscall"
)

func writableByAll(mode fs.FileMode) bool { return mode.Perm()&0o002 != 0 }

// ours says whether the file belongs to the user that we are.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
