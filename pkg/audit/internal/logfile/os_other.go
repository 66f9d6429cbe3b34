//go:build !unix

package logfile

import "os"

// openFlags is empty: the platform has no such flags.
const OpenFlags = 0

// syncDir does nothing: the platform cannot sync a directory.
func SyncDir(string) {}

// makePrivate does nothing: who may read the file follows from its directory.
func MakePrivate(*os.File, os.FileMode) error { return nil }

// truncate goes by name: a file opened for appending may not be cut on Windows.
func Truncate(f *os.File, size int64) error { return os.Truncate(f.Name(), size) }
