package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
)

// Dir is a source that reads jobs from a directory: every file NAME.json in it is one, a job.Spec in JSON. A file is
// moved to active/ while the job runs, removed when it is done, moved to failed/ beside a NAME.reason when it failed
// for good, and moved back when it is given back. What is in active/ at the start was left by a process that died, and
// is done again. Write a job under another ending and rename it, so that it is never read half-written. A file of the
// same name as a running job waits until that has ended, and replaces it if it is given back.
type Dir struct {
	path string
	poll time.Duration
	lock *filelock.Lock

	mu     sync.Mutex
	active map[string]bool      // files in active/
	later  map[string]time.Time // files given back, and from when on they count
}

// dirPoll is how often the directory is looked at while Next waits.
const dirPoll = time.Second

// maxJobFile bounds a job file, in bytes.
const maxJobFile = 1 << 20

// maxAttempt bounds the number of deliveries that a job file may state.
const maxAttempt = 1 << 20

// NewDir returns a source of the jobs in the directory path, which is made with mode 0700 where it is missing. A second
// process on the same directory is refused with a *filelock.HeldError. Close releases it.
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
	d := &Dir{path: path, poll: dirPoll, lock: lock, active: map[string]bool{}, later: map[string]time.Time{}}
	left, err := os.ReadDir(filepath.Join(path, "active"))
	for _, e := range left {
		switch name := e.Name(); {
		case strings.HasSuffix(name, ".json"):
			err = errors.Join(err, d.giveBack(name))
		case strings.HasSuffix(name, ".json.tmp"): // a Nak that was cut short; the file itself is there
			err = errors.Join(err, os.Remove(filepath.Join(path, "active", name)))
		}
	}
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return d, nil
}

// Close releases the directory. It may be called twice.
func (d *Dir) Close() error { return d.lock.Release() }

// Next hands out the oldest jobs; see job.Source.
func (d *Dir) Next(ctx context.Context, w Want) ([]job.Job, error) {
	if w.Max <= 0 {
		return nil, nil
	}
	timeout := time.NewTimer(w.Wait)
	defer timeout.Stop()
	tick := time.NewTicker(d.poll)
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

// take moves up to n files to active/ and reads them. One that is no job is failed at once.
func (d *Dir) take(n int) ([]job.Job, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var jobs []job.Job
	var errs []error
	for _, name := range names {
		if len(jobs) == n {
			break
		}
		active := filepath.Join(d.path, "active", name)
		if err := os.Rename(filepath.Join(d.path, name), active); err != nil {
			errs = append(errs, err)
			continue
		}
		d.mu.Lock()
		d.active[name] = true
		delete(d.later, name)
		d.mu.Unlock()
		j := &dirJob{d: d, name: name}
		if j.spec, err = readSpec(active, name); err != nil {
			errs = append(errs, fmt.Errorf("job file %s: %w: %w", name, job.ErrInvalid, errors.Join(err, j.Fail(context.Background(), err.Error()))))
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, errors.Join(errs...)
}

// names lists the job files that count now, oldest first.
func (d *Dir) names() ([]string, error) {
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
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".json") || d.active[e.Name()] || time.Now().Before(d.later[e.Name()]) {
			continue
		}
		info, err := e.Info()
		if err != nil { // gone meanwhile
			continue
		}
		files = append(files, file{e.Name(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := a.mod.Compare(b.mod); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	return names, nil
}

// readSpec reads a job file strictly: an unknown key is an error, for it is a typing error somewhere.
func readSpec(path, name string) (s job.Spec, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxJobFile+1))
	if err != nil {
		return s, err
	}
	if len(b) > maxJobFile {
		return s, fmt.Errorf("over %d bytes", maxJobFile)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return s, errors.New("more than one JSON value")
	}
	if s.Timeout < 0 {
		return s, fmt.Errorf("timeout: %d is negative", s.Timeout)
	}
	if s.ID == "" {
		s.ID = strings.TrimSuffix(name, ".json")
	}
	s.ID = report.CleanID(s.ID)
	if s.Kind == "" {
		s.Kind = "scan"
	}
	if s.Scanner == "" || s.Target == "" {
		return s, fmt.Errorf("scanner %q and target %q must both be set", s.Scanner, s.Target)
	}
	s.Attempt = min(max(s.Attempt, 0), maxAttempt) + 1
	return s, nil
}

// giveBack moves a file out of active/. A newer one of the same name replaces it, and counts at once.
func (d *Dir) giveBack(name string) error {
	active, waiting := filepath.Join(d.path, "active", name), filepath.Join(d.path, name)
	if _, err := os.Lstat(waiting); err != nil {
		return os.Rename(active, waiting)
	}
	d.mu.Lock()
	delete(d.later, name)
	d.mu.Unlock()
	return os.Remove(active)
}

// dirJob is a job whose file is in active/.
type dirJob struct {
	d    *Dir
	name string
	spec job.Spec

	mu    sync.Mutex
	ended bool
}

func (j *dirJob) Spec() job.Spec               { return j.spec }
func (j *dirJob) Extend(context.Context) error { return nil }
func (j *dirJob) active() string               { return filepath.Join(j.d.path, "active", j.name) }

func (j *dirJob) Ack(context.Context) error {
	return j.end(func() error { return os.Remove(j.active()) })
}

// Nak counts the delivery in the file, so that a job that never works is given up in the end.
func (j *dirJob) Nak(_ context.Context, delay time.Duration) error {
	return j.end(func() error {
		b, err := json.Marshal(j.spec)
		if err == nil {
			err = os.WriteFile(j.active()+".tmp", b, 0o600)
		}
		if err == nil {
			err = os.Rename(j.active()+".tmp", j.active())
		}
		if err != nil {
			return err
		}
		j.d.mu.Lock()
		j.d.later[j.name] = time.Now().Add(delay)
		j.d.mu.Unlock()
		return j.d.giveBack(j.name)
	})
}

func (j *dirJob) Fail(_ context.Context, reason string) error {
	return j.end(func() error {
		failed := filepath.Join(j.d.path, "failed", j.name)
		err := os.WriteFile(strings.TrimSuffix(failed, ".json")+".reason", []byte(reason+"\n"), 0o600)
		return errors.Join(err, os.Rename(j.active(), failed))
	})
}

func (j *dirJob) end(f func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return nil
	}
	err := f()
	if j.ended = err == nil; j.ended {
		j.d.mu.Lock()
		delete(j.d.active, j.name)
		j.d.mu.Unlock()
	}
	return err
}
