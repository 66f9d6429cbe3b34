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
	// ErrNotFound is returned if the tenant has no such report or part. It has a method NotFound, by which a pipeline
	// recognizes that a part it settles was removed meanwhile.
	ErrNotFound error = notFoundError{}
	// ErrNotUploaded is returned for a request to delete data that is not uploaded yet. Drop deletes such data.
	ErrNotUploaded = errors.New("not uploaded yet")
	// ErrStorageFull is returned if there is no space for a report: the store has reached its limit (the error is a
	// *StorageFullError), a tenant its quota (a *QuotaError), or the disk is full. Stored reports are not affected.
	ErrStorageFull = errors.New("chunk store is full")
)

// StorageFullError is the ErrStorageFull of a store that has reached Config.MaxStorageMB.
type StorageFullError struct {
	Used   int64 // bytes of the pages that hold data
	Needed int64 // bytes that the report adds
	Max    int64 // Config.MaxStorageMB in bytes
}

func (e *StorageFullError) Error() string {
	return fmt.Sprintf("%v: %d bytes used, %d needed, chunk.max_storage_mb allows %d", ErrStorageFull, e.Used, e.Needed, e.Max)
}

// Is reports whether target is ErrStorageFull.
func (e *StorageFullError) Is(target error) bool { return target == ErrStorageFull }

// QuotaError is the ErrStorageFull of a tenant that has reached its quota. Other tenants are not affected.
type QuotaError struct {
	Tenant string
	Field  string // name of the limit in Config
	Used   int64  // reports or bytes that the tenant has stored
	Needed int64  // reports or bytes that the report adds
	Max    int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("tenant %q has %d, %d more needed, %s allows %d", e.Tenant, e.Used, e.Needed, e.Field, e.Max)
}

// Is reports whether target is ErrStorageFull.
func (e *QuotaError) Is(target error) bool { return target == ErrStorageFull }

// SchemaError is returned for a database that a newer version of this package wrote. The file is not changed.
type SchemaError = sqlitedb.SchemaError

// LockedError is returned for a database that another process has open. It names the lock file and, if known, the process.
type LockedError = filelock.HeldError

type notFoundError struct{}

func (notFoundError) Error() string  { return "not found" }
func (notFoundError) NotFound() bool { return true }
