package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/filelock"
)

// A Dir is a Source that reads jobs from a directory. Each regular file NAME.json in it is one job, a Spec in JSON. Its
// durations may also be strings such as "5m".
//
// The file is moved to active/ while the job runs and removed when the job is acknowledged. When the job fails it is
// moved to failed/, beside a file NAME.reason; when the job is returned with Nak it is moved back. Files that are in
// active/ when the Dir is opened were left by a process that died: their jobs are delivered again.
//
// Write a job file under another ending and rename it, so that it is never read half-written. A file with the name of
// a running job waits until that job has ended, and replaces the job's file if the job is returned.
type Dir struct {
	path string
	lock *filelock.Lock

	mu     sync.Mutex
	active map[string]bool      // files in active/
	later  map[string]time.Time // returned files, and when they are due
}

var _ Source = (*Dir)(nil)

// LockedError is returned by NewDir when another process uses the directory.
type LockedError = filelock.HeldError

// dirPoll is the interval at which Next reads the directory while it waits.
const dirPoll = time.Second

// NewDir opens the directory path, which is created with mode 0700 if it does not exist. It fails with a *LockedError
// if another process, or another Dir, has it open. Close releases it.
func NewDir(path string) (*Dir, error) {
	for _, d := range []string{path, filepath.Join(path, "active"), filepath.Join(path, "failed")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := filelock.Acquire(filepath.Join(path, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("job directory %s: %w", path, err)
	}
	d := &Dir{path: path, lock: lock, active: map[string]bool{}, later: map[string]time.Time{}}
	if err := d.recover(); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return d, nil
}

// recover returns the jobs of a process that died.
func (d *Dir) recover() error {
	left, err := os.ReadDir(filepath.Join(d.path, "active"))
	for _, e := range left {
		switch name := e.Name(); {
		case strings.HasSuffix(name, ".json"):
			err = errors.Join(err, d.restore(name))
		case strings.HasSuffix(name, ".json.tmp"): // Nak was interrupted; the job file itself exists as well
			err = errors.Join(err, os.Remove(filepath.Join(d.path, "active", name)))
		}
	}
	return err
}

// Close releases the directory. It may be called more than once.
func (d *Dir) Close() error { return d.lock.Release() }

// Next implements Source. The oldest files come first. A file that is not a job is moved to failed/ and reported by an
// error that wraps ErrInvalid.
func (d *Dir) Next(ctx context.Context, w Want) ([]Job, error) {
	if w.Max <= 0 {
		return nil, nil
	}
	timeout := time.NewTimer(w.Wait)
	defer timeout.Stop()
	tick := time.NewTicker(dirPoll)
	defer tick.Stop()
	for {
		jobs, err := d.take(w.Max)
		if len(jobs) > 0 || err != nil {
			return jobs, err
		}
		select {
		case <-tick.C:
		case <-timeout.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take moves up to n files to active/ and reads them.
func (d *Dir) take(n int) ([]Job, error) {
	names, err := d.due()
	if err != nil {
		return nil, err
	}
	var jobs []Job
	var errs []error
	for _, name := range names {
		if len(jobs) == n {
			break
		}
		j := &dirJob{d: d, name: name}
		if err := os.Rename(filepath.Join(d.path, name), j.active()); err != nil {
			errs = append(errs, err)
			continue
		}
		d.mu.Lock()
		d.active[name] = true
		delete(d.later, name)
		d.mu.Unlock()
		if j.spec, err = readSpec(j.active(), name); err != nil {
			err = errors.Join(err, j.Fail(context.Background(), err.Error()))
			errs = append(errs, fmt.Errorf("job file %s: %w: %w", name, ErrInvalid, err))
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, errors.Join(errs...)
}

// due lists the job files that can be delivered now, oldest first.
func (d *Dir) due() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	type file struct {
		name string
		mod  time.Time
	}
	var files []file
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !strings.HasSuffix(name, ".json") || d.active[name] || time.Now().Before(d.later[name]) {
			continue
		}
		if info, err := e.Info(); err == nil { // else it was removed in the meantime
			files = append(files, file{name, info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.mod.Compare(b.mod), strings.Compare(a.name, b.name)) })
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	return names, nil
}

// restore moves a file out of active/. If there is a newer file of the same name, that one stays and is due at once.
func (d *Dir) restore(name string) error {
	active, waiting := filepath.Join(d.path, "active", name), filepath.Join(d.path, name)
	if _, err := os.Lstat(waiting); err != nil {
		return os.Rename(active, waiting)
	}
	d.mu.Lock()
	delete(d.later, name)
	d.mu.Unlock()
	return os.Remove(active)
}
