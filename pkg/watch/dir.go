package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Dir is a directory that is kept under a size. Path and MaxBytes must be set.
//
// What was neither read nor written for longest goes first. What stays is whatever is open in a process that we may look
// into, everything below a directory in which such a process holds a file lock, and what was touched within MinAge.
// Symbolic links are not followed, other file systems not entered, and nothing outside Path is reached. Directories
// stay, but for those of an entry that is removed as a whole.
type Dir struct {
	Path     string        // absolute; a symbolic link is refused
	MaxBytes int64         // on disk
	MinAge   time.Duration // default 1h
	// Entries makes everything that stands directly in Path one thing, kept or removed as a whole: for caches in which half
	// an entry is worse than none.
	Entries bool
}

// DefaultMinAge is the default of Dir.MinAge.
const DefaultMinAge = time.Hour

// Validate returns everything that is wrong with the directory, in one error.
func (d Dir) Validate() error {
	var v problems
	switch clean := filepath.Clean(d.Path); {
	case !filepath.IsAbs(d.Path):
		v.add("path", fmt.Errorf("%q is not absolute", d.Path))
	case clean == filepath.Dir(clean):
		v.add("path", fmt.Errorf("%q is a whole file system", d.Path))
	}
	if d.MaxBytes < 1<<20 || d.MaxBytes > 1<<60 {
		v.add("max_bytes", fmt.Errorf("%d is outside %d to %d", d.MaxBytes, 1<<20, 1<<60))
	}
	v.duration("min_age", d.MinAge, 1, 10*365*24*time.Hour)
	return errors.Join(v...)
}

// DirLook is what one look at a directory has found and done. Sizes are bytes on disk.
type DirLook struct {
	Path     string `json:"path"`
	Bytes    int64  `json:"bytes"` // before
	MaxBytes int64  `json:"max_bytes"`
	Files    int    `json:"files"`
	Freed    int64  `json:"freed_bytes"`   // in a dry run: what would have been
	Removed  int    `json:"removed_files"` // the same
	InUse    int    `json:"in_use"`        // that would have gone, but are in use; files, or entries with Dir.Entries
	Young    int    `json:"young"`         // that would have gone, but were touched within Dir.MinAge
	Action   Action `json:"action"`        // Nothing, WouldRemove, Removed or Failed
	Error    string `json:"error,omitempty"`
}

// Actions on directories.
const (
	WouldRemove Action = "would remove"
	Removed     Action = "removed"
)

// clean takes a look at a directory, and makes room when it is over its size.
func (w *Watcher) clean(ctx context.Context, d Dir) DirLook {
	orDefault(&d.MinAge, DefaultMinAge)
	look := DirLook{Path: d.Path, MaxBytes: d.MaxBytes, Action: Nothing}
	err := w.cleanRoot(ctx, d, &look)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // what is not there needs no room
		look.Error = err.Error()
		if look.Action == Nothing {
			look.Action = Failed
		}
	}
	if look.Action != Nothing {
		w.recordDir(look)
	}
	return look
}

func (w *Watcher) cleanRoot(ctx context.Context, d Dir, look *DirLook) error {
	info, err := os.Lstat(d.Path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", d.Path)
	}
	root, err := os.OpenRoot(d.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) { // a link took its place
		return errors.Join(fmt.Errorf("%s has just been replaced", d.Path), err)
	}
	found := walk(ctx, root, d.Entries)
	look.Bytes, look.Files = found.bytes, found.files
	if look.Bytes <= d.MaxBytes {
		return errors.Join(found.errs...)
	}
	real, err := filepath.EvalSymlinks(d.Path)
	if err != nil {
		return err
	}
	busy := openFiles(real)
	slices.SortFunc(found.things, func(a, b *thing) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	now := time.Now()
	for _, t := range found.things {
		if look.Bytes-look.Freed <= d.MaxBytes || ctx.Err() != nil {
			break
		}
		switch {
		case t.strange || busy.has(t.path):
			look.InUse++
		case now.Sub(t.touched) < d.MinAge:
			look.Young++
		case !w.cfg.Enforce:
			look.Freed, look.Removed, look.Action = look.Freed+t.bytes, look.Removed+t.files, WouldRemove
		default:
			freed, files := t.remove(root, &found.errs)
			look.Freed, look.Removed, look.Action = look.Freed+freed, look.Removed+files, Removed
		}
	}
	if left := look.Bytes - look.Freed; left > d.MaxBytes {
		found.errs.add(fmt.Errorf("%d bytes are left, the limit is %d: %d in use, %d touched within %s", left, d.MaxBytes, look.InUse, look.Young, d.MinAge))
	}
	return errors.Join(found.errs...)
}

func (w *Watcher) recordDir(look DirLook) {
	e := event.Event{
		Timestamp: time.Now(), Type: event.CacheCleanup, Message: fmt.Sprintf("%s was over its size: %s", look.Path, look.Action), Error: look.Error,
		Details: map[string]any{
			"path": look.Path, "bytes": look.Bytes, "limit": look.MaxBytes, "files": look.Files, "bytes_freed": look.Freed, "removed_files": look.Removed,
			"in_use": look.InUse, "young": look.Young, "action": string(look.Action),
		},
	}
	if look.Action != Removed {
		e.Severity = event.Warn
	}
	w.cfg.Sink.Record(e)
}
