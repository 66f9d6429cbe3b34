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

// build compiles the two programs. Both measure with the bench code of this checkout and differ in the SDK that they
// link. Where that code does not compile against the other commit, because the exported surface changed in between, the
// other commit is measured with its own.
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
	head, base = filepath.Join(tmp, "head.exe"), filepath.Join(tmp, "base.exe")
	fmt.Fprintf(o.Progress, "building %s and this checkout\n", ref)
	if _, err := output(ctx, filepath.Join(top, "bench"), "go", "build", "-o", head, "."); err != nil {
		return "", "", err
	}
	own, ours := filepath.Join(tree, "bench"), filepath.Join(tree, "bench-of-head")
	if err := os.CopyFS(ours, os.DirFS(filepath.Join(top, "bench"))); err != nil {
		return "", "", err
	}
	// The other commit may need other versions of modules than this checkout's bench/go.mod has.
	if _, err = output(ctx, ours, "go", "build", "-mod=mod", "-o", base, "."); err != nil {
		fmt.Fprintf(o.Progress, "the exported surface of %s is another one: it is measured with its own bench code\n", ref)
		_, err = output(ctx, own, "go", "build", "-mod=mod", "-o", base, ".")
	}
	return head, base, err
}

// output runs a command and returns its standard output. Its error includes the standard error.
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
