package watch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/smalldisk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/sdktest"
)

const mb = 1 << 20

// cache makes a directory with files of a megabyte each, of which the first was used longest ago.
func cache(t *testing.T, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	for i, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), mb), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(time.Duration(i-100) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// left lists the files that are there.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func cleaned(t *testing.T, enforce bool, d Dir) (DirLook, []event.Event) {
	t.Helper()
	if d.MinAge == 0 {
		d.MinAge = 1 // what was just made is old enough
	}
	events := &sdktest.Recorder{}
	w, err := New(Config{Enforce: enforce, Dirs: []Dir{d}, Sink: events})
	if err != nil {
		t.Fatal(err)
	}
	looks := w.LookAtDirs(t.Context())
	if s := w.Status(); s.DirLooks != 1 || s.Freed != looks[0].Freed || len(s.Dirs) != 1 {
		t.Errorf("status %+v", s)
	}
	return looks[0], events.OfType(event.CacheCleanup)
}

func wantLeft(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := left(t, dir); !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

func TestWhatWasUsedLongestAgoGoesFirst(t *testing.T) {
	dir := cache(t, "z/old", "y/older than a", "a/new", "b/newest")
	look, events := cleaned(t, true, Dir{Path: dir, MaxBytes: 2*mb + mb/2})
	wantLeft(t, dir, "a/new", "b/newest")
	if look.Action != Removed || look.Error != "" || look.Files != 4 || look.Removed != 2 || look.Freed < 2*mb || look.Bytes < 4*mb {
		t.Errorf("got %+v", look)
	}
	if len(events) != 1 || events[0].Details["bytes_freed"] != look.Freed || events[0].Details["removed_files"] != 2 {
		t.Errorf("recorded %+v", events)
	}
	if _, err := os.Stat(filepath.Join(dir, "z")); err != nil {
		t.Errorf("a directory was removed: a cache may count on it: %v", err)
	}
}

func TestDryRunRemovesNoFile(t *testing.T) {
	dir := cache(t, "1", "2", "3")
	look, events := cleaned(t, false, Dir{Path: dir, MaxBytes: mb + mb/2})
	wantLeft(t, dir, "1", "2", "3")
	if look.Action != WouldRemove || look.Removed != 2 || look.Freed < 2*mb || len(events) != 1 {
		t.Errorf("got %+v, %+v", look, events)
	}
}

func TestUnderItsSizeNothingHappens(t *testing.T) {
	dir := cache(t, "1", "2")
	look, events := cleaned(t, true, Dir{Path: dir, MaxBytes: 10 * mb})
	if look.Action != Nothing || look.Bytes < 2*mb || len(events) != 0 {
		t.Errorf("got %+v, %+v", look, events)
	}
	look, _ = cleaned(t, true, Dir{Path: filepath.Join(dir, "none"), MaxBytes: mb})
	if look.Action != Nothing || look.Error != "" {
		t.Errorf("a directory that is not there: %+v", look)
	}
}

func TestFilesInUseStay(t *testing.T) {
	dir := cache(t, "open", "locked/lock", "locked/deep/beside the lock", "free")
	open, err := os.Open(filepath.Join(dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	lock, err := os.Open(filepath.Join(dir, "locked", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	look, events := cleaned(t, true, Dir{Path: dir, MaxBytes: mb})
	wantLeft(t, dir, "locked/deep/beside the lock", "locked/lock", "open")
	if look.InUse != 3 || look.Removed != 1 || !strings.Contains(look.Error, "3 in use") || len(events) != 1 || events[0].Error == "" {
		t.Errorf("got %+v, %+v", look, events)
	}
}

func TestYoungFilesStay(t *testing.T) {
	dir := cache(t, "1", "2", "3") // made now, whatever their times say
	look, _ := cleaned(t, true, Dir{Path: dir, MaxBytes: mb, MinAge: time.Hour})
	wantLeft(t, dir, "1", "2", "3")
	if look.Young != 3 || look.Action != Failed || !strings.Contains(look.Error, "3 touched within 1h0m0s") {
		t.Errorf("got %+v", look)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	outside := cache(t, "precious")
	dir := cache(t, "1", "2")
	for link, target := range map[string]string{"0-dir": outside, "0-file": filepath.Join(outside, "precious"), "0-up": ".."} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	look, _ := cleaned(t, true, Dir{Path: dir, MaxBytes: mb + mb/2})
	wantLeft(t, outside, "precious")
	wantLeft(t, dir, "0-dir", "0-file", "0-up", "2")
	if look.Files != 2 {
		t.Errorf("got %+v", look)
	}
	look, _ = cleaned(t, true, Dir{Path: dir, MaxBytes: mb, Entries: true})
	wantLeft(t, outside, "precious")
	if look.Files != 4 {
		t.Errorf("with entries: %+v", look)
	}
	look, _ = cleaned(t, true, Dir{Path: filepath.Join(dir, "0-dir"), MaxBytes: mb})
	if look.Action == Removed {
		t.Errorf("a link as the directory: %+v", look)
	}
}

func TestEntriesGoAsAWhole(t *testing.T) {
	dir := cache(t, "old/a", "old/deep/b", "used/a", "new/a", "used/b")
	look, _ := cleaned(t, true, Dir{Path: dir, MaxBytes: 3*mb + mb/2, Entries: true})
	wantLeft(t, dir, "new/a", "used/a", "used/b")
	if look.Removed != 2 || look.Freed < 2*mb || look.Error != "" {
		t.Errorf("got %+v", look)
	}
	if _, err := os.Stat(filepath.Join(dir, "old")); err == nil {
		t.Error("the directory of the entry is still there")
	}
	sock, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(sock)
	t.Chdir(filepath.Join(dir, "new")) // a process works in it; and a relative socket path is short
	if err := syscall.Bind(sock, &syscall.SockaddrUnix{Name: "../used/socket"}); err != nil {
		t.Fatal(err)
	}
	look, _ = cleaned(t, true, Dir{Path: dir, MaxBytes: mb, Entries: true})
	wantLeft(t, dir, "new/a", "used/a", "used/b", "used/socket")
	if look.InUse != 2 {
		t.Errorf("one with a socket, and one in which a process works: %+v", look)
	}
}

// A file with two names takes its place once, and gives it back with the last name.
func TestFilesWithSeveralNames(t *testing.T) {
	dir := cache(t, "1", "2")
	if err := os.Link(filepath.Join(dir, "1"), filepath.Join(dir, "1 again")); err != nil {
		t.Fatal(err)
	}
	look, _ := cleaned(t, true, Dir{Path: dir, MaxBytes: mb + mb/2})
	wantLeft(t, dir, "2")
	if look.Bytes >= 3*mb || look.Removed != 2 || look.Freed < mb || look.Freed >= 2*mb {
		t.Errorf("got %+v", look)
	}
}

// What was replaced since the walk is not removed.
func TestAReplacedFileStays(t *testing.T) {
	dir := cache(t, "1")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	found := walk(t.Context(), root, false)
	if err := os.WriteFile(filepath.Join(dir, "1"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs firstErrors
	if freed, files := found.things[0].remove(root, &errs); freed != 0 || files != 0 || len(errs) != 0 {
		t.Errorf("removed %d files, %d bytes, %v", files, freed, errs)
	}
	wantLeft(t, dir, "1")
}

func TestOtherFileSystemsAreNotEntered(t *testing.T) {
	mount := smalldisk.Dir(t, 8*mb)
	if mount == "" {
		return // it ran in a child
	}
	dir := filepath.Dir(mount)
	for path, age := range map[string]time.Duration{filepath.Join(mount, "other"): 4, filepath.Join(dir, "1"): 3, filepath.Join(dir, "2"): 2, filepath.Join(dir, "3"): 1} {
		when := time.Now().Add(-age * time.Hour)
		if err := errors.Join(os.WriteFile(path, bytes.Repeat([]byte("x"), mb), 0o600), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Base(mount) + "/other"
	look, _ := cleaned(t, true, Dir{Path: dir, MaxBytes: 2*mb + mb/2})
	wantLeft(t, dir, other, "2", "3")
	if look.Files != 3 {
		t.Errorf("got %+v", look)
	}
	look, _ = cleaned(t, true, Dir{Path: dir, MaxBytes: mb, Entries: true})
	wantLeft(t, dir, other, "3")
}

// A tree without end takes no handles without end: what is too deep is left alone, and said.
func TestTooDeepIsLeftAlone(t *testing.T) {
	dir := cache(t, "1", strings.Repeat("d/", maxDepth+5)+"deep")
	for _, entries := range []bool{false, true} {
		look, _ := cleaned(t, false, Dir{Path: dir, MaxBytes: mb, Entries: entries})
		if look.Files != 1 || look.Bytes >= 2*mb {
			t.Errorf("entries %v: got %+v", entries, look)
		}
	}
	w, err := New(Config{Dirs: []Dir{{Path: dir, MaxBytes: 100 * mb}}})
	if err != nil {
		t.Fatal(err)
	}
	if look := w.LookAtDirs(t.Context())[0]; look.Action != Failed || !strings.Contains(look.Error, "deeper than 64") {
		t.Errorf("got %+v", look)
	}
}

// The owner of a cache may take away the right to write, or to look.
func TestDirectoriesThatCannotBeRead(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := cache(t, "1", "closed/2")
	if err := os.Chmod(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "closed"), 0o700) })
	look, _ := cleaned(t, true, Dir{Path: dir, MaxBytes: mb, Entries: true})
	if look.Error == "" || look.Files != 1 {
		t.Errorf("got %+v", look)
	}
}
