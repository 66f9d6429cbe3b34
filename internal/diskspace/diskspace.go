// Package diskspace reports how much of a file system is free.
package diskspace

// Of returns the number of bytes that a user without privileges can still write to the file system of dir, and its size in
// bytes. It returns an error if dir does not exist. It blocks as long as the file system does, for example on a network share
// whose server does not answer.
func Of(dir string) (free, total int64, err error) { return of(dir) }
