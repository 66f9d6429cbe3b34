package sarif

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

// fullCount counts the results of a file the simple way: all of it in memory. ok is false where encoding/json
// does not read the file.
func fullCount(b []byte) (n int, ok bool) {
	var log struct {
		Runs []struct {
			Results []json.RawMessage `json:"results"`
		} `json:"runs"`
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if err := json.Unmarshal(b, &log); err != nil {
		return 0, false
	}
	for _, r := range log.Runs {
		n += len(r.Results)
	}
	return n, true
}

// check reads a file and holds what must be true of any.
func check(t *testing.T, b []byte, opt Options) (Summary, []*report.Finding, error) {
	t.Helper()
	f, err := Open(bytes.NewReader(b), opt)
	if err != nil {
		return Summary{}, nil, err
	}
	var got []*report.Finding
	sum, err := f.Findings(func(fd *report.Finding) error {
		got = append(got, fd)
		return nil
	})
	if err != nil {
		t.Fatalf("Findings: %v", err)
	}
	if sum.Results != sum.Findings+sum.Quarantined || sum.Findings != len(got) {
		t.Fatalf("%d results, %d findings (%d emitted), %d quarantined", sum.Results, sum.Findings, len(got), sum.Quarantined)
	}
	if len(sum.Rejected) != min(sum.Quarantined, maxRejected) {
		t.Fatalf("%d rejected listed of %d", len(sum.Rejected), sum.Quarantined)
	}
	r := &report.Report{Findings: got}
	if err := r.Validate(); err != nil {
		t.Fatalf("findings are not valid: %v", err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatalf("findings do not encode: %v", err)
	}
	return sum, got, nil
}

// corpus reads all .sarif files below a directory and compares the counts with a full decode.
func corpus(t *testing.T, dir string) {
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".sarif" {
			return err
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sum, _, err := check(t, b, Options{Root: "/src"})
			t.Logf("%d results, %d quarantined, %d suppressed, partial %t, unsuccessful %t, error %v, %q %v",
				sum.Results, sum.Quarantined, sum.Suppressed, sum.Partial, sum.Unsuccessful, err, sum.Warnings, sum.Rejected)
			if want, ok := fullCount(b); ok && err == nil && want != sum.Results && !slices.Contains(sum.Warnings, "run 0 has results twice: all are taken") {
				t.Errorf("%d results, a full decode counts %d", sum.Results, want)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOurFiles reads testdata, and with SARIF_CORPUS=dir[:dir…] the files there too.
func TestOurFiles(t *testing.T) {
	for _, dir := range append([]string{"testdata"}, filepath.SplitList(os.Getenv("SARIF_CORPUS"))...) {
		corpus(t, dir)
	}
}
