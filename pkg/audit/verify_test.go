package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// writeLog writes n events in files of some lines each, and returns the files' names in order.
func writeLog(t testing.TB, path string, n int, change func(*LoggerConfig)) []string {
	t.Helper()
	l := open(t, path, change)
	l.io.file.max = 4000
	for i := range n {
		if err := l.Log(info(i)); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, l)
	return logFiles(t, path)
}

func logFiles(t testing.TB, path string) []string {
	t.Helper()
	segs, err := logfile.Segments(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range segs {
		names = append(names, s.Name())
	}
	return names
}

func verify(t testing.TB, path string, opt auditlog.VerifyOptions) *auditlog.Report {
	t.Helper()
	rep, err := auditlog.Verify(t.Context(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestALogOverManyFilesAndRunsIsIntact(t *testing.T) {
	path := logPath(t)
	for range 3 {
		writeLog(t, path, 20, nil)
	}
	rep := wantVerdict(t, path, auditlog.Intact)
	if rep.Events != 60 || rep.FirstSeq != 1 || rep.Head.Seq != 60 || len(rep.Files) < 4 || len(rep.Findings) != 0 {
		t.Errorf("%+v", rep)
	}
	byDir := verify(t, filepath.Dir(path), auditlog.VerifyOptions{Known: []Mark{rep.Head}})
	if byDir.Verdict != auditlog.Intact || byDir.Events != 60 {
		t.Errorf("by directory: %+v", byDir)
	}
}

// Whatever single byte of whatever file is changed is found in its line or, where that joins two lines, next to it.
func TestEveryChangedByteIsFoundInItsPlace(t *testing.T) {
	path := logPath(t)
	names := writeLog(t, path, 9, nil)
	if len(names) < 2 {
		t.Fatalf("only %v", names)
	}
	for _, name := range names {
		file := filepath.Join(filepath.Dir(path), name)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lineNo := 1
		for i := range whole {
			if testing.Short() && i%7 != 0 && whole[i] != '\n' {
				continue
			}
			{
				b := bytes.Clone(whole)
				b[i] ^= 1 << (i % 8)
				if err := os.WriteFile(file, b, 0o600); err != nil {
					t.Fatal(err)
				}
				rep := verify(t, path, auditlog.VerifyOptions{})
				if rep.Verdict < auditlog.Torn || len(rep.Findings) == 0 {
					t.Fatalf("%s byte %d (line %d): %v", name, i, lineNo, rep.Verdict)
				}
				if rep.Verdict == auditlog.Torn && !(name == names[len(names)-1] && i == len(whole)-1) {
					t.Fatalf("%s byte %d (line %d) is called torn", name, i, lineNo)
				}
				if f := rep.Findings[0]; f.File != name || f.Line < lineNo || f.Line > lineNo+1 || f.Line > lineNo && whole[i] != '\n' && f.Kind != auditlog.KindMissing {
					t.Fatalf("%s byte %d (line %d): found %v", name, i, lineNo, rep.Findings)
				}
			}
			if whole[i] == '\n' {
				lineNo++
			}
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantVerdict(t, path, auditlog.Intact)
}

// Each edit of the lines of a file, and what Verify calls it.
func TestVerifyMatrix(t *testing.T) {
	lines := func(edit func(l [][]byte) [][]byte) func(b []byte) []byte {
		return func(b []byte) []byte { return bytes.Join(edit(slices.Collect(bytes.Lines(b))), nil) }
	}
	for _, tc := range []struct {
		name string
		edit func([]byte) []byte
		want auditlog.Verdict
		kind auditlog.Kind
		line int // of the finding; 0: any
	}{
		{"edit", func(b []byte) []byte { return bytes.Replace(b, []byte("semgrep"), []byte("gitleak"), 1) }, auditlog.Tampered, auditlog.KindAltered, 2},
		{"delete", lines(func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) }), auditlog.Missing, auditlog.KindMissing, 4},
		{"delete three", lines(func(l [][]byte) [][]byte { return slices.Delete(l, 3, 6) }), auditlog.Missing, auditlog.KindMissing, 4},
		{"swap", lines(func(l [][]byte) [][]byte { l[3], l[4] = l[4], l[3]; return l }), auditlog.Tampered, auditlog.KindMissing, 4},
		{"repeat", lines(func(l [][]byte) [][]byte { return slices.Insert(l, 4, l[3]) }), auditlog.Tampered, auditlog.KindMisplaced, 5},
		{"add", lines(func(l [][]byte) [][]byte { return slices.Insert(l, 4, []byte("{\"seq\":1}\n")) }), auditlog.Tampered, auditlog.KindForeign, 5},
		{"cut the header", lines(func(l [][]byte) [][]byte { return l[1:] }), auditlog.Missing, "", 1},
		{"cut the trailer", lines(func(l [][]byte) [][]byte { return l[:len(l)-1] }), auditlog.Missing, auditlog.KindMissing, 0},
		{"cut the last lines", lines(func(l [][]byte) [][]byte { return l[:len(l)-3] }), auditlog.Missing, auditlog.KindMissing, 0},
		{"empty", func([]byte) []byte { return nil }, auditlog.Missing, auditlog.KindMissing, 0},
		{"half", func(b []byte) []byte { return b[:len(b)/2] }, auditlog.Tampered, "", 0},
		{"zeros", func(b []byte) []byte { clear(b[len(b)/2:]); return b }, auditlog.Tampered, "", 0},
	} {
		for _, at := range []int{1, 0} { // a file in the middle, and the first one
			path := logPath(t)
			names := writeLog(t, path, 40, nil)
			file := filepath.Join(filepath.Dir(path), names[at])
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, tc.edit(b), 0o600); err != nil {
				t.Fatal(err)
			}
			rep := verify(t, path, auditlog.VerifyOptions{})
			if tc.name == "cut the header" && at == 0 {
				tc.want = auditlog.Tampered // without it nothing says what the log begins with
			}
			if rep.Verdict != tc.want || len(rep.Findings) == 0 || tc.kind != "" && rep.Findings[0].Kind != tc.kind || tc.line > 0 && (rep.Findings[0].Line != tc.line || rep.Findings[0].File != names[at]) {
				t.Errorf("%s in file %d: %v, want %v, %s in line %d: %v", tc.name, at, rep.Verdict, tc.want, tc.kind, tc.line, rep.Findings)
			}
			if len(rep.Findings) > 3 {
				t.Errorf("%s in file %d: one edit gives %d findings: %v", tc.name, at, len(rep.Findings), rep.Findings)
			}
		}
	}
}

func TestAFileThatIsGoneIsMissed(t *testing.T) {
	for gone := range 4 {
		path := logPath(t)
		names := writeLog(t, path, 40, nil)
		if len(names) < 4 {
			t.Fatal(names)
		}
		which := []int{0, 1, len(names) - 2, len(names) - 1}[gone]
		if err := os.Remove(filepath.Join(filepath.Dir(path), names[which])); err != nil {
			t.Fatal(err)
		}
		rep := wantVerdict(t, path, auditlog.Missing)
		if f := rep.Findings[0]; f.Kind != auditlog.KindMissing || f.First == 0 || f.Last < f.First {
			t.Errorf("file %d: %v", which, rep.Findings)
		}
	}
}

// cutTail removes the last lines and, as someone who knows how it works, makes the sidecar agree.
func TestATailThatIsCutIsMissedByWhoKnowsTheHead(t *testing.T) {
	path := logPath(t)
	writeLog(t, path, 5, nil)
	head := verify(t, path, auditlog.VerifyOptions{}).Head
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := slices.Collect(bytes.Lines(b))
	if err := os.WriteFile(path, bytes.Join(l[:len(l)-2], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := wantVerdict(t, path, auditlog.Missing); rep.Findings[0].First != 4 || rep.Findings[0].Last != 5 {
		t.Errorf("by the sidecar: %v", rep.Findings)
	}
	if err := os.Remove(path + logfile.HeadSuffix); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, path, auditlog.Intact) // nothing on this host knows better
	if rep := verify(t, path, auditlog.VerifyOptions{Known: []Mark{head}}); rep.Verdict != auditlog.Missing {
		t.Errorf("by a mark kept elsewhere: %v", rep.Verdict)
	}
}

// A log written anew, with a chain that is right, is found by a mark that was kept elsewhere, and by the signatures.
func TestALogWrittenAnewIsFoundByMarkAndKey(t *testing.T) {
	path := logPath(t)
	keyFile := filepath.Join(t.TempDir(), "audit.key")
	key, err := CreateKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c *LoggerConfig) { c.KeyFile = keyFile }
	for range 2 { // over a restart
		writeLog(t, path, 10, sign)
	}
	rep := verify(t, path, auditlog.VerifyOptions{Key: &key})
	if rep.Verdict != auditlog.Intact || rep.Signed != 20 {
		t.Fatalf("%+v", rep)
	}
	kept := rep.Head
	var now Key
	b, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &now); err != nil || now.Seq != 20 && now.Seq != 21 {
		t.Errorf("the key on disk is of line %d, %v", now.Seq, err)
	}
	for _, name := range logFiles(t, path) {
		if err := os.Remove(filepath.Join(filepath.Dir(path), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(path + logfile.HeadSuffix); err != nil {
		t.Fatal(err)
	}
	writeLog(t, path, 25, nil) // the forger has no old key
	if rep := verify(t, path, auditlog.VerifyOptions{}); rep.Verdict != auditlog.Intact {
		t.Errorf("the forgery is not even whole: %+v", rep)
	}
	if rep := verify(t, path, auditlog.VerifyOptions{Known: []Mark{kept}}); rep.Verdict != auditlog.Tampered {
		t.Errorf("by mark: %v", rep.Verdict)
	}
	if rep := verify(t, path, auditlog.VerifyOptions{Key: &key}); rep.Verdict != auditlog.Tampered || rep.Findings[0].Kind != auditlog.KindUnsigned {
		t.Errorf("by key: %v %v", rep.Verdict, rep.Findings)
	}
}

func TestPrunedFilesAreExplainedAndForgedPruningIsNot(t *testing.T) {
	path := logPath(t)
	names := writeLog(t, path, 40, nil)
	l := open(t, path, func(c *LoggerConfig) { c.MaxBackups = 2 })
	l.sweep()
	stop(t, l)
	rep := wantVerdict(t, path, auditlog.Intact)
	if len(rep.Findings) != 1 || rep.Findings[0].Kind != auditlog.KindPruned || len(rep.Files) != 3 || rep.FirstSeq == 1 {
		t.Errorf("%+v", rep)
	}
	// One more goes, with a line that looks like the others but is not in the chain.
	left := logFiles(t, path)
	if slices.Contains(left, names[0]) {
		t.Errorf("%s is still there", names[0])
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), left[0])); err != nil {
		t.Fatal(err)
	}
	if rep := wantVerdict(t, path, auditlog.Missing); rep.Findings[0].Kind != auditlog.KindMissing {
		t.Errorf("%+v", rep.Findings)
	}
	segs, err := logfile.Segments(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, `{"timestamp":%q,"type":"audit_pruned","severity":"INFO","message":"","details":{"last_chain":%q},"v":1,"run_id":"x","seq":%d,"chain":"%064d"}`+"\n",
		time.Now().Format(time.RFC3339), segs[0].Header.Prev, rep.Head.Seq+1, 0)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, path, auditlog.VerifyOptions{}); rep.Verdict != auditlog.Tampered || rep.Findings[0].Kind == auditlog.KindPruned {
		t.Errorf("a forged prune record: %v %v", rep.Verdict, rep.Findings)
	}
}

func TestAnotherAgentsFileIsNoPartOfTheLog(t *testing.T) {
	path, other := logPath(t), logPath(t)
	writeLog(t, path, 40, nil)
	names := writeLog(t, other, 40, nil)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(other), names[1]))
	if err != nil {
		t.Fatal(err)
	}
	mine := logFiles(t, path)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), mine[1]), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, path, auditlog.VerifyOptions{}); rep.Verdict != auditlog.Tampered && rep.Verdict != auditlog.Missing {
		t.Errorf("%v %v", rep.Verdict, rep.Findings)
	}
}

func FuzzVerify(f *testing.F) {
	path := logPath(f)
	writeLog(f, path, 12, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, 10, byte(1))
	f.Add([]byte{}, 0, byte(0))
	f.Add(bytes.Repeat([]byte{0}, 2*MaxLineBytes), 5, byte(0))
	f.Add([]byte(`{"type":"audit_opened","details":{"file_id":"a","first_seq":18446744073709551615,"prev":""},"seq":99999999999999999999,"chain":""}`+"\n"), 3, byte(9))
	f.Fuzz(func(t *testing.T, b []byte, at int, flip byte) {
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		rep, err := auditlog.Verify(t.Context(), path, auditlog.VerifyOptions{Key: &Key{Seq: 1, Secret: fmt.Sprintf("%064d", 0)}})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Verdict == auditlog.Intact && rep.Events > 0 {
			t.Fatalf("lines without a signature are intact: %+v", rep)
		}
		l, err := NewLogger(&LoggerConfig{LogFile: path, Logger: slog.New(slog.DiscardHandler)}) // and the log goes on from anything
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Log(Event{Type: EventAuthFailed}); err != nil {
			t.Fatal(err)
		}
		if err := l.Stop(); err != nil {
			t.Fatal(err)
		}
		if after := verify(t, path, auditlog.VerifyOptions{}); rep.Verdict == auditlog.Intact && after.Verdict != auditlog.Intact {
			t.Fatalf("was %+v, is %+v", rep, after)
		}
	})
}
