package chunk

import (
	"errors"
	"fmt"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/internal/sqlitedb"
)

var (
	// ErrClosed is returned by every method of a closed Manager.
	ErrClosed = errors.New("chunk manager is closed")
	// ErrNotFound means that no such report or part exists for the tenant. It has a method NotFound, by which a pipeline
	// knows that a part it settles was removed meanwhile.
	ErrNotFound error = notFoundError{}
	// ErrStorageFull refuses a report because the store would grow over its limit, which is a *StorageFullError, a tenant
	// over its quota, a *QuotaError, or because the disk has no space. Nothing already accepted is lost.
	ErrStorageFull = errors.New("chunk store is full")
)

// StorageFullError is ErrStorageFull with the facts.
type StorageFullError struct {
	Used   int64 // bytes on disk in use, free pages not counted
	Needed int64 // bytes the report needs more
	Max    int64 // Config.MaxStorageMB in bytes
}

func (e *StorageFullError) Error() string {
	return fmt.Sprintf("%v: %d bytes used, %d needed, MaxStorageMB allows %d", ErrStorageFull, e.Used, e.Needed, e.Max)
}

// Is makes errors.Is(err, ErrStorageFull) true.
func (e *StorageFullError) Is(target error) bool { return target == ErrStorageFull }

// SchemaError is returned for a database that a newer version of this package wrote. The file is not changed.
type SchemaError = sqlitedb.SchemaError

// LockedError is returned for a database that another process has open. It names the lock file and, if known, the process.
type LockedError = filelock.HeldError

type notFoundError struct{}

func (notFoundError) Error() string  { return "not found" }
func (notFoundError) NotFound() bool { return true }
