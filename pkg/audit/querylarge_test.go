package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

// A file that is larger than what is in memory at once.
func TestQueryReadsLargeFilesBackwards(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	const n = 3000
	for i := range n {
		e := info(i)
		e.Details["padding"] = strings.Repeat("p", i%997)
		if err := l.Log(e); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, l)
	if fi, err := os.Stat(path); err != nil || fi.Size() < 4*(4*MaxLineBytes) {
		t.Fatalf("%v %v", fi, err)
	}
	got := found(t, path, auditlog.Filter{Newest: true})
	if !slices.Equal(seqs(got), reversed(oneTo(n))) {
		t.Errorf("%d lines", len(got))
	}
	allocated := testing.AllocsPerRun(1, func() { found(t, path, auditlog.Filter{Newest: true, JobID: "job-7"}) })
	if allocated > n {
		t.Errorf("%v allocations to find one line of %d", allocated, n)
	}
}

// Whatever a file holds, both orders give the same lines.
func FuzzQuery(f *testing.F) {
	path := logPath(f)
	writeLog(f, path, 12, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, 10, byte(1), "")
	f.Add(bytes.Repeat([]byte{0}, 2*MaxLineBytes), 5, byte(0), "x")
	f.Add([]byte("{\"type\":\"\x9b\"}\n\n{\"type\":\"a\",\"duration_ms\":1e300}"), 3, byte(0), "A")
	f.Fuzz(func(t *testing.T, b []byte, at int, flip byte, text string) {
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		oldest, err1 := ask(t, path, auditlog.Filter{Text: text})
		newest, err2 := ask(t, path, auditlog.Filter{Text: text, Newest: true})
		key := func(lines []auditlog.Line) (out []string) {
			for _, l := range lines {
				out = append(out, string(l.Raw))
			}
			slices.Sort(out)
			return out
		}
		if !slices.Equal(key(oldest), key(newest)) {
			t.Fatalf("%d lines, %d from the end", len(oldest), len(newest))
		}
		var s1, s2 *auditlog.SkippedError
		if errors.As(err1, &s1) != errors.As(err2, &s2) || s1 != nil && s1.Lines != s2.Lines {
			t.Fatalf("%v; from the end %v", err1, err2)
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	path := logPath(b)
	l := open(b, path, nil)
	const n = 20_000
	for i := range n {
		l.Log(info(i))
	}
	stop(b, l)
	for name, f := range map[string]auditlog.Filter{
		"all": {}, "job": {JobID: "job-77"}, "text": {Text: "nowhere"}, "since": {Since: time.Now().Add(time.Hour)}, "newest10": {Newest: true, Limit: 10},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found(b, path, f)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
		})
	}
}

func ExampleQuery() {
	for l, err := range auditlog.Query(context.Background(), "~/.rediver/audit.log", auditlog.Filter{
		Since: time.Now().Add(-2 * time.Hour), Severity: SeverityWarn, Newest: true, Limit: 20,
	}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(l.Event.Timestamp, l.Event.Type, l.Event.JobID, l.Event.Error)
	}
}
