package baseline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build makes the two programs. Both measure with the code of this checkout; they differ in the SDK that it links.
func build(ctx context.Context, o Options, tmp string) (head, base string, err error) {
	top, err := output(ctx, "", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", "", err
	}
	ref := o.Base
	if ref == "" {
		if ref, err = output(ctx, top, "git", "merge-base", "HEAD", "origin/main"); err != nil {
			return "", "", fmt.Errorf("no merge base with origin/main, name a commit to compare with: %w", err)
		}
	}
	tree := filepath.Join(tmp, "tree")
	if _, err := output(ctx, top, "git", "worktree", "add", "--detach", tree, ref); err != nil {
		return "", "", err
	}
	defer func() {
		_, e := output(context.WithoutCancel(ctx), top, "git", "worktree", "remove", "--force", tree)
		err = errors.Join(err, e)
	}()
	bench := filepath.Join(tree, "bench")
	if err := os.RemoveAll(bench); err != nil {
		return "", "", err
	}
	if err := os.CopyFS(bench, os.DirFS(filepath.Join(top, "bench"))); err != nil {
		return "", "", err
	}
	head, base = filepath.Join(tmp, "head.exe"), filepath.Join(tmp, "base.exe")
	fmt.Fprintf(o.Progress, "building %s and this checkout\n", ref)
	if _, err := output(ctx, filepath.Join(top, "bench"), "go", "build", "-o", head, "."); err != nil {
		return "", "", err
	}
	// The other commit may need other versions of modules than this checkout's bench/go.mod says.
	_, err = output(ctx, bench, "go", "build", "-mod=mod", "-o", base, ".")
	return head, base, err
}

// output runs a command and returns what it writes, or an error with what it says.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
