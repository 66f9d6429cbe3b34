package agentcmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

func (a *cli) importCommand() *cobra.Command {
	var o oneShot
	var asset, root string
	var cmd *cobra.Command
	cmd = a.plainVerb("import FILE.sarif…", "upload findings from SARIF files; - is standard input", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		if err := a.loadOneShot(cmd, &o); err != nil {
			return err
		}
		if slices.Contains(args, "") {
			return Usagef("import: a file's name is empty")
		}
		files := a.openAll(args)
		defer files.close()
		return a.runOnce(ctx, &o, files.specs, func(*engine) (agent.Scanner, error) {
			return &importer{files: files, asset: asset, root: root, cfg: a.cfg}, nil
		})
	})
	cmd.Flags().StringVar(&asset, "asset", "", "the scanned asset, such as the URL of a repository (default: the name of the file)")
	cmd.Flags().StringVar(&root, "root", "", "the scanned directory: paths below it become relative")
	cmd.Example = "  {agent} import results.sarif\n  semgrep scan --sarif | {agent} import - --asset https://example.com/app.git"
	o.flags(cmd)
	return cmd
}

// sarifFiles are the files of an import, by the ID of their job. The ID is derived from the content, so that a file that
// is imported again is the same report.
type sarifFiles struct {
	specs []job.Spec
	open  map[string]*os.File
	bad   map[string]error // errors of unreadable files, whose jobs fail
	temp  []string
}

// openAll opens and hashes the files; standard input is copied to a temporary one, since it is read twice.
func (a *cli) openAll(paths []string) *sarifFiles {
	s := &sarifFiles{open: map[string]*os.File{}, bad: map[string]error{}}
	for i, path := range paths {
		if err := s.add(path, a); err != nil {
			id := fmt.Sprintf("import-unread-%d", i+1)
			s.bad[id] = err
			s.specs = append(s.specs, job.Spec{ID: id, Scanner: "import", Target: path})
		}
	}
	return s
}

func (s *sarifFiles) add(path string, a *cli) error {
	f, err := s.file(path, a)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	// The name is part of the ID: the same bytes under two names are two reports, about two assets.
	fmt.Fprintf(h, "\x00%s", filepath.Base(path))
	id := fmt.Sprintf("import-%x", h.Sum(nil)[:12])
	if s.open[id] != nil { // named twice
		return f.Close()
	}
	s.open[id] = f
	s.specs = append(s.specs, job.Spec{ID: id, Scanner: "import", Target: path})
	return nil
}

func (s *sarifFiles) file(path string, a *cli) (*os.File, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return nil, errors.Join(fmt.Errorf("%s is not a regular file", path), err, f.Close())
		}
		return f, nil
	}
	if err := os.MkdirAll(a.cfg.Agent.StateDir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(a.cfg.Agent.StateDir, "stdin-*.sarif")
	if err != nil {
		return nil, err
	}
	// Without a name, the file disappears with the process. If the system does not allow that, close removes it.
	if os.Remove(f.Name()) != nil {
		s.temp = append(s.temp, f.Name())
	}
	limit := a.cfg.Scan.MaxOutputBytes
	if limit <= 0 {
		limit = scan.DefaultMaxOutputBytes
	}
	n, err := io.Copy(f, io.LimitReader(a.in, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("standard input: over scan.max_output_bytes, %d bytes", limit)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// close closes the files. They were only read, so that errors do not matter.
func (s *sarifFiles) close() {
	for _, f := range s.open {
		_ = f.Close()
	}
	for _, path := range s.temp {
		_ = os.Remove(path)
	}
}

// importer is a scanner whose results are already there.
type importer struct {
	files       *sarifFiles
	asset, root string
	cfg         *settings
}

// Cost returns nothing beyond a slot: an import starts no process.
func (i *importer) Cost(string, string) scan.Cost { return scan.Cost{} }

// Scan reads the file of the job.
func (i *importer) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	if err := i.files.bad[req.JobID]; err != nil {
		return nil, err
	}
	f := i.files.open[req.JobID]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	opt := scan.ImportOptions{ReportID: req.ReportID, JobID: req.JobID, Root: i.root, Limits: i.cfg.Scan.SarifLimits}
	if req.Target != "-" {
		st, err := f.Stat()
		if err != nil {
			return nil, err
		}
		opt.Timestamp = st.ModTime().UTC() // not now, so that the same file is the same report
	}
	asset := i.asset
	if asset == "" {
		asset = filepath.Base(req.Target)
	}
	opt.Asset = &report.Asset{ID: "target", Type: "repository", Value: asset, Name: asset}
	return scan.Import(ctx, f, opt, open)
}
