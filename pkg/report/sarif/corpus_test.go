package sarif

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// fullCount counts the results of a file that encoding/json decodes as a whole. ok is false if it cannot.
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

// check reads a file and checks the properties that every file must have.
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

// corpusFiles returns all .sarif files below testdata, and below the directories in SARIF_CORPUS=dir[:dir…].
func corpusFiles(t testing.TB) (paths []string) {
	t.Helper()
	for _, dir := range append([]string{"testdata"}, filepath.SplitList(os.Getenv("SARIF_CORPUS"))...) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".sarif" {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// smallFiles returns the contents of the corpus files that are small enough to seed a fuzz target.
func smallFiles(t testing.TB) (contents [][]byte) {
	for _, path := range corpusFiles(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < 64<<10 {
			contents = append(contents, b)
		}
	}
	return contents
}

// TestEveryResultIsAccountedFor reads all corpus files. The number of results of each file is the sum of its open
// findings, suppressed findings and quarantined results, and the number that a full decode counts. With -v the test
// prints a table.
func TestEveryResultIsAccountedFor(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "bytes\tresults\topen\tsuppressed\tquarantined\tms\tMB allocated\t  file and remarks")
	for _, path := range corpusFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			sum, got, err := check(t, b, Options{Root: "/src"})
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			suppressed := 0
			for _, f := range got {
				if f.Suppression != nil {
					suppressed++
				}
			}
			if open := len(got) - suppressed; sum.Results != open+suppressed+sum.Quarantined || sum.Suppressed != suppressed {
				t.Errorf("%+v, and %d findings are suppressed", sum, suppressed)
			}
			if want, ok := fullCount(b); ok && err == nil && want != sum.Results && !slices.Contains(sum.Warnings, "run 0 has results twice: both are read") {
				t.Errorf("%d results, a full decode counts %d", sum.Results, want)
			}
			said := filepath.Base(path)
			if sum.Partial {
				said += ", partial"
			}
			if err != nil {
				said += ": " + err.Error()
			}
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t  %s\n", len(b), sum.Results, len(got)-suppressed, suppressed, sum.Quarantined,
				float64(took.Microseconds())/1000, float64(after.TotalAlloc-before.TotalAlloc)/1e6, truncate(said, 120))
		})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table.String())
}
