package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

// words is a scanner that reports every line of a file in the target directory that holds a forbidden word. It
// implements agent.Scanner.
type words struct{ cfg *settings }

// Cost tells the agent what a scan needs of the host: nothing beyond its slot.
func (w *words) Cost(string, string) scan.Cost { return scan.Cost{} }

// Scan writes the findings one by one, so that the size of the report does not matter.
func (w *words) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	tool := report.Tool{Name: "words", Version: "1.0.0"}
	out, err := open(&report.Report{
		Metadata: report.Metadata{ID: req.ReportID, SourceType: report.SourceScanner, SourceRef: req.JobID, CoverageType: report.CoverageFull},
		Tool:     &tool,
	})
	if err != nil {
		return nil, err
	}
	defer out.Abort() // which does nothing after Close
	if err := out.AddAsset(&report.Asset{ID: "target", Type: "repository", Value: req.Target}); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(req.Target) // no link leads out of it
	if err != nil {
		return nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || ctx.Err() != nil {
			return cmp.Or(err, context.Cause(ctx))
		}
		return w.file(root, path, out)
	})
	if err != nil {
		return nil, err
	}
	sum, err := out.Close() // the report is on disk now
	if err != nil {
		return nil, err
	}
	return &scan.Result{ReportID: req.ReportID, Tool: tool, Summary: sum}, nil
}

// file adds the findings of one file.
func (w *words) file(root *os.Root, path string, out part.Writer) error {
	f, err := root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > int64(w.cfg.MaxFileMB)<<20 {
		return err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, w.cfg.MaxFileMB<<20+1)
	for n := 1; lines.Scan(); n++ {
		for _, word := range w.cfg.Words {
			if !strings.Contains(lines.Text(), word) {
				continue
			}
			err := out.AddFinding(&report.Finding{
				Type: report.TypeMisconfiguration, Title: fmt.Sprintf("forbidden word %q", word), Severity: report.Low,
				RuleID: "forbidden-word", AssetRef: "target", Location: &report.Location{Path: path, StartLine: n},
			})
			if err != nil {
				return err
			}
		}
	}
	return lines.Err()
}
