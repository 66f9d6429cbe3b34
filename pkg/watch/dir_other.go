//go:build !linux

package watch

import "io/fs"

// The watcher is not supported on this system: New says so before any of this is asked.

func statOf(fs.FileInfo) fileStat { return fileStat{} }

func openFiles(string) busyFiles { return busyFiles{} }
