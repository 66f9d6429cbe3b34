package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/internal/proc"
)

// dirPrefix begins the name of the private directory of a scan; the owner follows.
const dirPrefix = "rediver-scan-"

// recordName is the file in it that tells how to find the scanner's processes.
const recordName = "processes"

// Sweep kills the scanners and removes the private directories that an agent left behind which was killed. It is
// to be called before the first scan. What belongs to a living process, of this program or another, is left alone, and so is a
// directory of another user.
// On systems other than Linux it does nothing.
func (r *Runner) Sweep() (processes, dirs int, err error) {
	entries, err := os.ReadDir(r.cfg.Dir)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	errs := []error{err}
	var left, records []string
	for _, e := range entries {
		if proc.OwnerDead(proc.OwnerOf(e.Name(), dirPrefix)) && private(e) {
			dir := filepath.Join(r.cfg.Dir, e.Name())
			left, records = append(left, dir), append(records, filepath.Join(dir, recordName))
		}
	}
	processes, survivors := proc.Sweep(records...)
	if survivors > 0 { // their directories stay, to find them by
		return processes, 0, errors.Join(append(errs, fmt.Errorf("%d processes of a killed agent do not end", survivors))...)
	}
	for _, dir := range left {
		if err := removeAll(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		dirs++
	}
	return processes, dirs, errors.Join(errs...)
}

// private says whether a directory is one that only our user can have filled. Where others may write, as into the system's
// directory for temporary files, they could put a record there that leads to any process.
func private(e fs.DirEntry) bool {
	info, err := e.Info()
	return err == nil && info.IsDir() && !writableByAll(info.Mode()) && ours(info)
}

// makeDir makes the private directory of a scan. Its name says whose it is.
func makeDir(parent string) (string, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, dirPrefix+proc.Owner()+"-*")
}

// removeAll removes a directory, also one in which the scanner took itself the right to write, as Go does in its
// module cache.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // what fails here fails again below
		}
		return nil
	})
	return os.RemoveAll(dir)
}
