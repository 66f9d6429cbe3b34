package scan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/rediverio/sdk/pkg/report"
)

// inspect looks at the target before the scanner does.
func (j *scanJob) inspect() error {
	if j.req.Target == "" {
		return errors.New("target is empty")
	}
	info, err := os.Stat(j.target)
	switch {
	case err != nil:
		return err
	case !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("target %s is neither a file nor a directory", j.target)
	case !info.IsDir() && j.def.InTarget:
		return fmt.Errorf("target %s is no directory, as the scanner needs", j.target)
	}
	f, err := os.Open(j.target)
	if err != nil {
		return err
	}
	_ = f.Close() // opened to see that it can be read
	if j.size = sizeOf(j.target); j.size.files == 0 {
		j.res.partial("the target is empty: it has no file that could have been scanned")
	}
	if n := j.size.unread; n > 0 {
		j.res.partial(fmt.Sprintf("%d files and directories of the target cannot be read", n))
	}
	j.root = filepath.Dir(j.target)
	if info.IsDir() {
		j.root = j.target
		j.branch = readBranch(j.target)
		if err := j.inspectDir(); err != nil {
			return err
		}
	}
	j.asset = j.req.Asset
	if j.asset == nil {
		j.asset = repository(j.target, j.branch)
	}
	return nil
}

// inspectDir warns of files that silence the scanner, and refuses those that control it.
func (j *scanJob) inspectDir() error {
	for _, name := range j.def.RefusedBy {
		if slices.Contains(j.r.cfg.AllowTargetConfig, j.def.Name) {
			break
		}
		if _, err := os.Lstat(filepath.Join(j.target, name)); err == nil {
			return fmt.Errorf("%s of the target could make the scanner run code; allow_target_config allows that", name)
		}
	}
	for _, name := range j.def.SilencedBy {
		if _, err := os.Lstat(filepath.Join(j.target, name)); err == nil {
			j.res.warn(fmt.Sprintf("%s of the target may have silenced the scanner", name))
		}
	}
	return nil
}

// repository is the asset that a target is unless the request says otherwise.
func repository(target string, branch *report.Branch) *report.Asset {
	a := &report.Asset{ID: "target", Type: "repository", Value: target, Name: filepath.Base(target)}
	if branch != nil && branch.RepositoryURL != "" {
		a.Value = branch.RepositoryURL
	}
	return a
}
