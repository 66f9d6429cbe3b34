package audit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// ask collects what Query returns.
func ask(t testing.TB, path string, f auditlog.Filter) (lines []auditlog.Line, err error) {
	t.Helper()
	for l, e := range auditlog.Query(t.Context(), path, f) {
		if err != nil {
			t.Fatalf("more behind the error %v", err)
		}
		if err = e; e == nil {
			lines = append(lines, l)
		}
	}
	return lines, err
}

// found is ask where nothing may be skipped.
func found(t testing.TB, path string, f auditlog.Filter) []auditlog.Line {
	t.Helper()
	lines, err := ask(t, path, f)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func seqs(lines []auditlog.Line) (out []uint64) {
	for _, l := range lines {
		out = append(out, l.Seq)
	}
	return out
}

func oneTo(n uint64) (out []uint64) {
	for i := uint64(1); i <= n; i++ {
		out = append(out, i)
	}
	return out
}

func reversed[T any](s []T) []T {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

// squeeze compresses a rotated file as the log does.
func squeeze(t testing.TB, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+logfile.ZstdSuffix, codec.Compress(nil, b, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// mixedLog is a log of three runs, in rotated files of which every second one is compressed.
func mixedLog(t testing.TB) (path string, events uint64) {
	t.Helper()
	path = logPath(t)
	for range 3 {
		writeLog(t, path, 20, nil)
	}
	for i, name := range logFiles(t, path) {
		if file := filepath.Join(filepath.Dir(path), name); i%2 == 0 && file != path {
			squeeze(t, file)
		}
	}
	return path, 60
}

func TestQueryOverRotatedAndCompressedFiles(t *testing.T) {
	path, n := mixedLog(t)
	all := found(t, path, auditlog.Filter{})
	if !slices.Equal(seqs(all), oneTo(n)) {
		t.Fatalf("oldest first: %v", seqs(all))
	}
	if l := all[0]; l.Event.Details["tool"] != "semgrep" || l.File == filepath.Base(path) || !strings.Contains(string(l.Raw), `"chain":"`) || bytes.Contains(l.Raw, []byte("\n")) {
		t.Errorf("first line: %+v", l)
	}
	newest := found(t, filepath.Dir(path), auditlog.Filter{Newest: true})
	if !slices.Equal(seqs(newest), reversed(oneTo(n))) {
		t.Errorf("newest first: %v", seqs(newest))
	}
	for limit := 1; limit < int(n)+2; limit += 7 {
		want := min(limit, int(n))
		if got := seqs(found(t, path, auditlog.Filter{Limit: limit})); !slices.Equal(got, oneTo(n)[:want]) {
			t.Fatalf("the oldest %d: %v", limit, got)
		}
		if got := seqs(found(t, path, auditlog.Filter{Limit: limit, Newest: true})); !slices.Equal(got, reversed(oneTo(n))[:want]) {
			t.Fatalf("the newest %d: %v", limit, got)
		}
		if got := seqs(found(t, path, auditlog.Filter{After: uint64(limit)})); !slices.Equal(got, oneTo(n)[want:]) {
			t.Fatalf("after %d: %v", limit, got)
		}
	}
	begins := found(t, path, auditlog.Filter{Types: []EventType{EventAuditOpened}})
	if len(begins) != len(logFiles(t, path)) || begins[0].Seq != 0 {
		t.Errorf("%d headers, %d files", len(begins), len(logFiles(t, path)))
	}
}

func TestQueryFilters(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	day := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	for i, e := range []Event{
		{Type: EventJobStarted, JobID: "job-1"},
		{Type: EventJobFailed, JobID: "job-1", Severity: SeverityError, Error: `exit "7"` + "\n\x1b[2J"},
		{Type: EventJobStarted, JobID: "job-10", ReportID: "job-1"},
		{Type: EventUploadRetry, ReportID: "rep-3", Severity: SeverityWarn, Message: "Grüße", Details: map[string]any{"nested": map[string]any{"host": "Relay-7"}}},
		{Type: EventAuthFailed, Severity: SeverityCritical},
		{Type: EventScanStarted, Severity: SeverityDebug, Message: "job_failed"},
	} {
		e.Timestamp = day.Add(time.Duration(i) * time.Hour)
		if err := l.Log(e); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, l)
	for _, tc := range []struct {
		name string
		f    auditlog.Filter
		want []uint64
	}{
		{"since", auditlog.Filter{Since: day.Add(4 * time.Hour)}, []uint64{5, 6}},
		{"until", auditlog.Filter{Until: day.Add(time.Hour)}, []uint64{1}},
		{"between", auditlog.Filter{Since: day.Add(time.Hour), Until: day.Add(3*time.Hour - 1)}, []uint64{2, 3}},
		{"in another zone", auditlog.Filter{Since: day.Add(4 * time.Hour).In(time.FixedZone("", -7*3600))}, []uint64{5, 6}},
		{"type, not a message that names it", auditlog.Filter{Types: []EventType{EventJobFailed}}, []uint64{2}},
		{"types", auditlog.Filter{Types: []EventType{EventJobStarted, EventAuthFailed}}, []uint64{1, 3, 5}},
		{"severity or worse", auditlog.Filter{Severity: SeverityWarn}, []uint64{2, 4, 5}},
		{"all severities", auditlog.Filter{Severity: SeverityDebug}, []uint64{1, 2, 3, 4, 5, 6}},
		{"job, not one that begins so", auditlog.Filter{JobID: "job-1"}, []uint64{1, 2}},
		{"report", auditlog.Filter{ReportID: "job-1"}, []uint64{3}},
		{"text of a detail, in any case", auditlog.Filter{Text: "relay-7"}, []uint64{4}},
		{"text beyond ASCII, in any case", auditlog.Filter{Text: "GRÜSSE"}, nil},
		{"text beyond ASCII", auditlog.Filter{Text: "gRÜßE"}, []uint64{4}},
		{"text that is escaped in the line", auditlog.Filter{Text: `exit "7"` + "\n\x1b"}, []uint64{2}},
		{"no text of the seal", auditlog.Filter{Text: `"seq":`}, nil},
		{"all of it", auditlog.Filter{Types: []EventType{EventJobFailed}, Severity: SeverityError, JobID: "job-1", Text: "EXIT", Since: day, Limit: 5}, []uint64{2}},
		{"no such job", auditlog.Filter{JobID: "job-2"}, nil},
	} {
		if got := seqs(found(t, path, tc.f)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		tc.f.Newest = true
		if got := seqs(found(t, path, tc.f)); !slices.Equal(got, reversed(tc.want)) {
			t.Errorf("%s, newest first: %v, want %v", tc.name, got, reversed(tc.want))
		}
	}
}

// What is no event is counted, and hides nothing. A JSON line that the log did not write is shown, for it is there.
func TestQuerySkipsWhatIsNoEvent(t *testing.T) {
	path := logPath(t)
	names := writeLog(t, path, 20, nil)
	junk := []string{"not JSON\n", strings.Repeat("x", MaxLineBytes) + "\n", strings.Repeat("y", 3*(4*MaxLineBytes)) + "\n", "{}\n", "null\n",
		strings.Repeat("[", 20_000) + "\n", "\x00\x00\n", "{\"type\":5}\n", "\n"}
	file := filepath.Join(filepath.Dir(path), names[0])
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for i, l := range slices.Collect(bytes.Lines(whole)) {
		b = append(b, junk[i%len(junk)]...)
		b = append(b, l...)
	}
	skipped := uint64(bytes.Count(whole, []byte("\n"))) + 1
	b = append(b, "{\"type\":\"forged\",\"severity\":\"INFO\",\"message\":\"\x1b\",\"details\":null}\nhalf a li"...)
	b = bytes.Replace(b, []byte("\x1b"), []byte("here"), 1)
	for _, compressed := range []bool{false, true} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if compressed {
			squeeze(t, file)
		}
		for _, newest := range []bool{false, true} {
			lines, err := ask(t, path, auditlog.Filter{Newest: newest})
			var s *auditlog.SkippedError
			if !errors.As(err, &s) || s.Lines != skipped || len(s.Files) > 0 || !strings.HasPrefix(s.File, names[0]) {
				t.Errorf("compressed %v newest %v: %v, want %d skipped", compressed, newest, err, skipped)
			}
			if newest {
				slices.Reverse(lines)
			}
			forged := slices.IndexFunc(lines, func(l auditlog.Line) bool { return l.Seq == 0 })
			if len(lines) != 21 || forged < 1 || lines[forged].Event.Type != "forged" || !slices.Equal(seqs(slices.Delete(lines, forged, forged+1)), oneTo(20)) {
				t.Errorf("compressed %v newest %v: %v", compressed, newest, seqs(lines))
			}
		}
	}
}

func TestQueryGoesOnBehindAFileThatIsBroken(t *testing.T) {
	path := logPath(t)
	names := writeLog(t, path, 40, nil)
	file := filepath.Join(filepath.Dir(path), names[1])
	missing := found(t, path, auditlog.Filter{Types: []EventType{EventAuditRotated}})
	squeeze(t, file)
	b, err := os.ReadFile(file + logfile.ZstdSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+logfile.ZstdSuffix, append(b, "no zstd"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, newest := range []bool{false, true} {
		lines, err := ask(t, path, auditlog.Filter{Newest: newest})
		var s *auditlog.SkippedError
		if !errors.As(err, &s) || !slices.Equal(s.Files, []string{names[1] + logfile.ZstdSuffix}) {
			t.Errorf("newest %v: %v", newest, err)
		}
		if len(lines) != 40 {
			t.Errorf("newest %v: %d lines of 40; %d files", newest, len(lines), len(missing))
		}
	}
}

func TestQueryGivesALineThatStandsTwiceOnce(t *testing.T) {
	path := logPath(t)
	writeLog(t, path, 8, func(c *LoggerConfig) { c.MaxSizeMB = -1 })
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := slices.Collect(bytes.Lines(b))
	forged := bytes.Replace(l[len(l)-1], []byte("semgrep"), []byte("gitleak"), 1) // same number and chain value
	twice := bytes.Join(append(append(slices.Clone(l), forged), l[len(l)-3:]...), nil)
	if err := os.WriteFile(path, twice, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, newest := range []bool{false, true} {
		if got := found(t, path, auditlog.Filter{Newest: newest}); len(got) != len(found(t, path, auditlog.Filter{Text: "semgrep"}))+1 {
			t.Errorf("newest %v: %v", newest, seqs(got))
		}
	}
	if got := found(t, path, auditlog.Filter{Text: "gitleak"}); len(got) != 1 {
		t.Errorf("the forged line is hidden: %v", seqs(got))
	}
}

func TestQueryReadsNoFileThatIsTooOld(t *testing.T) {
	path, _ := mixedLog(t)
	past := time.Now().Add(-100 * time.Hour)
	old := filepath.Join(filepath.Dir(path), "audit-"+past.UTC().Format(logfile.StampFormat)+".log"+logfile.ZstdSuffix)
	if err := os.Rename(filepath.Join(filepath.Dir(path), logFiles(t, path)[0]), old); err != nil {
		t.Fatal(err)
	}
	all := len(found(t, path, auditlog.Filter{Since: past})) // young by its modification time
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	for _, newest := range []bool{false, true} {
		if got := found(t, path, auditlog.Filter{Since: past.Add(50 * time.Hour), Newest: newest}); all != 60 || len(got) >= all || len(got) < 40 {
			t.Errorf("newest %v: %d of %d", newest, len(got), all)
		}
	}
}

func TestQueryEnds(t *testing.T) {
	path, _ := mixedLog(t)
	for _, newest := range []bool{false, true} {
		n := 0
		for range auditlog.Query(t.Context(), path, auditlog.Filter{Newest: newest}) {
			if n++; n == 5 {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for l, err := range auditlog.Query(ctx, path, auditlog.Filter{Newest: newest}) {
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%v %v", l, err)
			}
		}
	}
	if _, err := ask(t, filepath.Join(t.TempDir(), "audit.log"), auditlog.Filter{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}
	bad := auditlog.Filter{Since: time.Unix(9, 0), Until: time.Unix(9, 0), Types: []EventType{""}, Severity: "BAD", Limit: -1, Newest: true, Follow: true}
	_, err := ask(t, path, bad)
	for _, field := range []string{"Since", "Types", "Severity", "Limit", "Follow"} {
		if err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("no word of %s: %v", field, err)
		}
	}
}
