package scan

import (
	"context"
	"sync"
)

// Found is a scanner that is installed.
type Found struct {
	Definition
	Path    string // of the executable, absolute
	Version string // empty: unknown
}

// Available returns the scanners that are installed, in the order of the table: those found in Config.BinDirs, then on
// PATH. Scanners with VersionArgs are run with them, all at once and for 10 seconds at most.
func (r *Runner) Available(ctx context.Context) []Found {
	var found []Found
	for _, name := range r.cfg.Table.Names() {
		d, _ := r.cfg.Table.Lookup(name)
		if path, err := find(d.Command, r.cfg.BinDirs); err == nil {
			found = append(found, Found{Definition: d, Path: path})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i := range found {
		f := &found[i]
		wg.Go(func() { f.Version = r.version(ctx, &f.Definition, f.Path) })
	}
	wg.Wait()
	return found
}

// version returns the version of the scanner d, whose executable is at path.
func (r *Runner) version(ctx context.Context, d *Definition, path string) string {
	return r.versions.of(ctx, path, func() string { return r.toolVersion(ctx, d, path) })
}
