package scan

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// askTimeout bounds the run of a scanner that is asked about itself.
const askTimeout = 10 * time.Second

// maxAnswer is how much of each of its outputs is read.
const maxAnswer = 64 << 10

// ask runs a scanner that prints something of itself, in an empty private directory, and returns what it printed on
// standard output and on standard error.
func (r *Runner) ask(ctx context.Context, d *Definition, path string, args []string) (stdout, stderr string, err error) {
	dir, err := makeDir(r.cfg.Dir)
	if err != nil {
		return "", "", err
	}
	defer removeAll(dir) // best effort: it holds two small files
	inv, err := r.invocation(d, path, dir)
	if err != nil {
		return "", "", err
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return "", "", err
	}
	spec := proc.Spec{
		Path: path, Args: inv.fill(args), Dir: work, Env: environment(inv.env(), dir, 0), Marker: proc.MakeMarker("ask"),
		Contain: r.contain, Record: filepath.Join(dir, recordName),
		Stdout: filepath.Join(dir, "stdout"), Stderr: filepath.Join(dir, "stderr"),
		Timeout: askTimeout, MaxOutputBytes: 1 << 20, MaxLogBytes: 1 << 20,
	}
	res, err := proc.Run(ctx, spec)
	if err != nil {
		return "", "", err
	}
	if res.Cause != proc.Exit {
		return "", "", fmt.Errorf("asked for %v it was stopped: %s", args, res.Cause)
	}
	return head(spec.Stdout), head(spec.Stderr), nil
}

// head returns the beginning of a file, nothing if it cannot be read.
func head(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close() // opened for reading
	b, err := io.ReadAll(io.LimitReader(f, maxAnswer))
	if err != nil {
		return ""
	}
	return string(b)
}
