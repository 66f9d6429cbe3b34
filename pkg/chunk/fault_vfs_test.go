//go:build linux && !race

// The race detector's pointer checks refuse to let SQLite hold addresses of Go memory.

package chunk

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// diskFaults stands between SQLite and its files and lets chosen writes and syncs fail. It is a copy of SQLite's own
// file system, with three functions exchanged. While it is not armed it only passes on.
var diskFaults struct {
	install sync.Once
	vfs     sqlite3.Tsqlite3_vfs
	mu      sync.Mutex
	methods map[uintptr]*sqlite3.Tsqlite3_io_methods // ours by SQLite's
	keep    []any                                    // what only SQLite points to

	armed atomic.Bool
	left  atomic.Int64 // operations until the one that fails
	code  atomic.Int32 // what it fails with
	syncs atomic.Bool  // the operations are syncs, else writes
}

// breakDisk lets the n-th write or sync, from 1, fail. mend ends that and says whether it came to it.
func breakDisk(t *testing.T, syncs bool, n int, code int32) (mend func() (failed bool)) {
	f := &diskFaults
	f.left.Store(int64(n))
	f.syncs.Store(syncs)
	f.code.Store(code)
	f.armed.Store(true)
	t.Cleanup(func() { f.armed.Store(false) })
	return func() bool { f.armed.Store(false); return f.left.Load() <= 0 }
}

// failsNow counts an operation.
func failsNow(sync bool) (code int32) {
	if f := &diskFaults; f.armed.Load() && f.syncs.Load() == sync && f.left.Add(-1) == 0 {
		return f.code.Load()
	}
	return 0
}

// installFaults makes the faulty file system the default. The driver does not show the thread state that SQLite's
// functions want, but to functions called from SQL; its type need not be named.
func installFaults(t *testing.T) {
	t.Helper()
	diskFaults.install.Do(func() {
		sqlite.MustRegisterScalarFunction("install_faults", 0, func(c *sqlite.FunctionContext, _ []driver.Value) (driver.Value, error) {
			tls := unsafe.Pointer(reflect.ValueOf(c).Elem().FieldByName("tls").Pointer())
			return nil, wrapVFS(sqlite3.Xsqlite3_vfs_find, sqlite3.Xsqlite3_vfs_register, tls)
		})
		d, err := sql.Open("sqlite", ":memory:")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.ExecContext(context.Background(), "SELECT install_faults()"); err != nil {
			t.Fatal(err)
		}
	})
}

// at is where an address of SQLite's points to; it does not move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// call turns one of SQLite's function pointers into a function.
func call[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) }

// pointer is the other way round; the function is kept.
func pointer(f any, p unsafe.Pointer) uintptr {
	diskFaults.keep = append(diskFaults.keep, f)
	return *(*uintptr)(p)
}

func wrapVFS[T any](find func(*T, uintptr) uintptr, register func(*T, uintptr, int32) int32, state unsafe.Pointer) error {
	tls := (*T)(state)
	f := &diskFaults
	f.methods = map[uintptr]*sqlite3.Tsqlite3_io_methods{}
	original := find(tls, 0)
	f.vfs = *at[sqlite3.Tsqlite3_vfs](original)
	name := []byte("faults\x00")
	f.keep = append(f.keep, name)
	f.vfs.FzName = uintptr(unsafe.Pointer(&name[0]))
	type openFunc = func(*T, uintptr, uintptr, uintptr, int32, uintptr) int32
	open := call[openFunc](f.vfs.FxOpen)
	ours := openFunc(func(tls *T, vfs, name, file uintptr, flags int32, out uintptr) int32 {
		rc := open(tls, vfs, name, file, flags, out)
		if m := at[sqlite3.Tsqlite3_file](file); rc == 0 && m.FpMethods != 0 {
			m.FpMethods = uintptr(unsafe.Pointer(wrapMethods[T](m.FpMethods)))
		}
		return rc
	})
	f.vfs.FxOpen = pointer(ours, unsafe.Pointer(&ours))
	if rc := register(tls, uintptr(unsafe.Pointer(&f.vfs)), 1); rc != 0 {
		return fmt.Errorf("register: %d", rc)
	}
	return nil
}

func wrapMethods[T any](original uintptr) *sqlite3.Tsqlite3_io_methods {
	f := &diskFaults
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.methods[original]; m != nil {
		return m
	}
	m := *at[sqlite3.Tsqlite3_io_methods](original)
	type writeFunc = func(*T, uintptr, uintptr, int32, int64) int32
	type syncFunc = func(*T, uintptr, int32) int32
	write, sync := call[writeFunc](m.FxWrite), call[syncFunc](m.FxSync)
	ourWrite := writeFunc(func(tls *T, file, b uintptr, n int32, offset int64) int32 {
		if code := failsNow(false); code != 0 {
			write(tls, file, b, n/2, offset) // half of it, as a full disk leaves it
			return code
		}
		return write(tls, file, b, n, offset)
	})
	ourSync := syncFunc(func(tls *T, file uintptr, flags int32) int32 {
		if code := failsNow(true); code != 0 {
			return code
		}
		return sync(tls, file, flags)
	})
	m.FxWrite, m.FxSync = pointer(ourWrite, unsafe.Pointer(&ourWrite)), pointer(ourSync, unsafe.Pointer(&ourSync))
	f.methods[original] = &m
	return &m
}

// The n-th write, and the n-th sync, of a submit and of a receipt fails, for every n that there is.
func TestEveryWriteAndSyncMayFail(t *testing.T) {
	installFaults(t)
	for _, c := range []struct {
		name  string
		syncs bool
		code  int32
	}{{"write", false, sqlite3.SQLITE_IOERR_WRITE}, {"full disk", false, sqlite3.SQLITE_FULL}, {"sync", true, sqlite3.SQLITE_IOERR_FSYNC}} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			tried := 0
			for n := 1; ; n++ {
				m := open(t, split)
				still(t, m)
				submit(t, m, testReport("earlier", 4))
				mend := breakDisk(t, c.syncs, n, c.code)
				_, submitErr := m.SubmitReport(t.Context(), testReport("r", 4))
				p := next(t, m)
				_, settleErr := m.Settle(t.Context(), p, uploaded)
				_ = m.db.Checkpoint() // fails where its turn is; the next one makes up for it
				if !mend() {
					break
				}
				tried++
				if n == 1 && submitErr == nil { // a receipt is tried once more by the store itself
					t.Errorf("SubmitReport = nil although its first %s failed", c.name)
				}
				checkStore(t, m)
				want := 8
				if settleErr == nil {
					want -= 2
				}
				submit(t, m, testReport("r", 4)) // a refused report is stored now; a stored one is a repetition
				if got := titles(t, drain(t, m)); len(got) != want {
					t.Errorf("%s %d: %d of %d findings; submit: %v, settle: %v", c.name, n, len(got), want, submitErr, settleErr)
				}
			}
			if tried < 2 {
				t.Errorf("%d operations failed: the test shows nothing", tried)
			}
			t.Logf("%d operations, each failed once", tried)
		})
	}
}
