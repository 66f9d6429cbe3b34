package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// ErrNoDatabase is that of DatabaseTime for a scanner whose definition names no database.
var ErrNoDatabase = errors.New("the scanner has no database")

// DatabaseTime returns the date of what an installed scanner knows: of its vulnerabilities, for instance. It runs the
// scanner where the definition says so, for 10 seconds at most. ErrNoDatabase: there is none to have an age; any other
// error: there should be one, but its date is not to be had.
func (r *Runner) DatabaseTime(ctx context.Context, name string) (time.Time, error) {
	d, ok := r.cfg.Table.Lookup(name)
	switch {
	case !ok:
		return time.Time{}, fmt.Errorf("no scanner %q in the table", name)
	case len(d.Database.Args) == 0 && d.Database.File == "":
		return time.Time{}, ErrNoDatabase
	}
	path, err := find(d.Command, r.cfg.BinDirs)
	if err != nil {
		return time.Time{}, err
	}
	if d.Database.File != "" {
		return r.fileTime(&d, path)
	}
	stdout, stderr, err := r.ask(ctx, &d, path, d.Database.Args)
	if err != nil {
		return time.Time{}, err
	}
	for _, text := range []string{stdout, stderr} {
		if t, ok := findTime(text, d.Database.Key); ok {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %v prints no time: there is probably no database yet", name, d.Database.Args)
}

// fileTime returns the date of the oldest of the files: what it knows is as old as that.
func (r *Runner) fileTime(d *Definition, path string) (oldest time.Time, err error) {
	dir, err := makeDir(r.cfg.Dir)
	if err != nil {
		return oldest, err
	}
	defer removeAll(dir) // best effort: it is empty, or holds an empty cache
	inv, err := r.invocation(d, path, dir)
	if err != nil {
		return oldest, err
	}
	pattern := inv.fill([]string{d.Database.File})[0]
	names, err := filepath.Glob(pattern)
	if err != nil {
		return oldest, fmt.Errorf("database file %s: %w", pattern, err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil && (oldest.IsZero() || info.ModTime().Before(oldest)) {
			oldest = info.ModTime()
		}
	}
	if oldest.IsZero() {
		return oldest, fmt.Errorf("there is no file %s: there is no database yet", pattern)
	}
	return oldest, nil
}

var timePattern = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?( ?(Z|[+-]\d\d:?\d\d))?`)

// findTime returns the first time in text, or the first behind key. One without a zone is UTC.
func findTime(text, key string) (time.Time, bool) {
	if key != "" {
		at := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(key) + `\b`).FindStringIndex(text)
		if at == nil {
			return time.Time{}, false
		}
		text = text[at[1]:]
	}
	m := timePattern.FindString(text)
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, m); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
