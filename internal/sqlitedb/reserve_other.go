//go:build !linux

package sqlitedb

import "os"

// allocate makes f size bytes long, with space on disk for all of them.
func allocate(f *os.File, size int64) error { return writeZeros(f, size) }
