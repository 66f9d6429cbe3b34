//go:build !unix && !windows

package filelock

import "os"

func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// tryLock cannot lock on this platform: the caller runs without protection from a second process.
func tryLock(*os.File) (held bool, err error) { return false, nil }
