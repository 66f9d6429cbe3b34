package scan

import (
	"context"
	"debug/buildinfo"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/tail"
)

// toolVersion returns the version of an installed scanner, empty when it cannot be known. The build information of
// a Go executable comes first: it is there without running anything, and some print a placeholder instead.
func (r *Runner) toolVersion(ctx context.Context, d *Definition, path string) string {
	if info, err := buildinfo.ReadFile(path); err == nil {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			return v
		}
	}
	if len(d.VersionArgs) == 0 {
		return ""
	}
	stdout, stderr, err := r.ask(ctx, d, path, d.VersionArgs)
	if err != nil {
		return ""
	}
	for _, text := range []string{stdout, stderr} {
		for _, line := range tail.Lines(text, false) {
			if v := versionPattern.FindString(line); v != "" {
				return v
			}
		}
	}
	return ""
}

var versionPattern = regexp.MustCompile(`\bv?\d{1,9}\.\d{1,9}(\.\d{1,9})?([-+.][0-9A-Za-z.+-]{1,40})?`)

// versions remembers the version of each executable until the file changes.
type versions struct {
	mu    sync.Mutex
	known map[string]knownVersion
}

type knownVersion struct {
	size    int64
	modTime time.Time
	version string
}

// of returns the version of the executable at path, which ask finds out.
func (v *versions) of(ctx context.Context, path string, ask func() string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	v.mu.Lock()
	k, ok := v.known[path]
	v.mu.Unlock()
	if ok && k.size == info.Size() && k.modTime.Equal(info.ModTime()) {
		return k.version
	}
	k = knownVersion{info.Size(), info.ModTime(), ask()} // not under the lock: it may run the scanner
	if ctx.Err() != nil {
		return k.version
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[string]knownVersion{}
	}
	v.known[path] = k
	return k.version
}
