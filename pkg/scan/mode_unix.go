//go:build unix

package scan

import "io/fs"

func writableByAll(mode fs.FileMode) bool { return mode.Perm()&0o002 != 0 }
