// Package diskspace tells how much of a disk is free.
package diskspace

// Of returns the bytes that an ordinary user may still write to the disk of dir, and its size. It fails when dir does
// not exist, and may block as long as the file system does, e.g. on a network share whose server is gone.
func Of(dir string) (free, total int64, err error) { return of(dir) }
