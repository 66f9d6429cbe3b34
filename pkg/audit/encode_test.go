package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// encode is one event as a line.
func encode(e Event) string {
	enc := newEncoder(nil)
	defer enc.free()
	enc.event(&e)
	s := logfile.Sealer{Linker: logfile.NewLinker(), At: logfile.Place{Seq: 6, Chain: logfile.Genesis}}
	return string(s.Seal(nil, numberLine(enc.buf, logfile.LineTail("0123456789abcdef"), 7)))
}

func TestGoldenLineOfEveryMethod(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	err := errors.New("exit status 2")
	details := map[string]any{"findings_count": 23, "tool": "semgrep"}
	job := l.WithContext(context.Background(), "job-456", "report-789")

	l.Info(EventScanStarted, "Scan started", details)
	l.Error(EventScanFailed, "Scan failed", err, map[string]any{"exit_code": 2})
	l.Error(EventAgentError, "No cause known", nil, nil)
	l.JobStarted("job-456", "scan", details)
	l.JobCompleted("job-456", 45*time.Second, details)
	l.JobFailed("job-456", err, nil)
	l.ChunkUploaded("report-789", 0, 4, 1234)
	l.ChunkUploaded("report-789", 9, 4, 0)
	l.ResourceThrottle("CPU 90% >= 85%", map[string]any{"cpu": 90.5, "memory": 41.0})
	job.Info(EventUploadStarted, "Upload started", nil)
	job.Error(EventUploadFailed, "Upload failed", err, nil)
	l.Record(Event{Type: EventJobTimeout, Severity: SeverityWarn, AgentID: "other", TenantID: "another", JobID: "j",
		Duration: 1500 * time.Microsecond, Message: "Zeit abgelaufen: \u00fc \u4e16"})
	stop(t, l)

	got, err2 := os.ReadFile(path)
	if err2 != nil {
		t.Fatal(err2)
	}
	got = regexp.MustCompile(`"timestamp":"[0-9TZ:.-]+Z"`).ReplaceAll(got, []byte(`"timestamp":"2024-01-15T10:30:00Z"`))
	got = regexp.MustCompile(`"(run_id|file_id|chain)":"[0-9a-f]+"`).ReplaceAll(got, []byte(`"$1":"0f"`))
	golden := filepath.Join("testdata", "lines.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err2 := os.ReadFile(golden)
	if err2 != nil {
		t.Fatal(err2)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("lines differ from %s (go test -update writes it anew); got\n%s", golden, got)
	}
}

// The alias constants are the whole vocabulary of package event, no more and no less.
func TestTheVocabularyIsThatOfPackageEvent(t *testing.T) {
	ours := []EventType{EventAgentStart, EventAgentStop, EventAgentError, EventJobReceived, EventJobStarted, EventJobCompleted,
		EventJobFailed, EventJobTimeout, EventScanStarted, EventScanCompleted, EventScanFailed, EventUploadStarted,
		EventUploadCompleted, EventUploadFailed, EventUploadRetry, EventChunkCreated, EventChunkUploaded, EventChunkFailed,
		EventChunkCleanup, EventResourceThrottle, EventResourceResume, EventResourceWarning, EventConcurrencyChanged, EventDegradationChanged, EventBudgetChanged, EventProcessWarning,
		EventProcessStopped, EventCacheCleanup, EventInstanceStarted, EventInstanceStopped, EventAuthFailed, EventRateLimited, EventValidationError}
	for i, want := range event.Types() {
		if i >= len(ours) || ours[i] != want {
			t.Fatalf("type %d is not %s", i, want)
		}
	}
}

type (
	panicky  struct{}
	stubborn struct{}
	grumpy   struct{}
	tool     struct {
		Name  string `json:"name"`
		Token string `json:"token"`
	}
	selfPointer *selfPointer
)

func (panicky) MarshalJSON() ([]byte, error) { panic("no") }
func (stubborn) String() string              { panic("no") }
func (grumpy) Error() string                 { return "grumpy" }

func TestNoDetailsLoseAnEvent(t *testing.T) {
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	list := []any{nil}
	list[0] = list
	var ptr selfPointer
	ptr = &ptr
	var nilTool *tool
	for _, tc := range []struct {
		name string
		v    any
		want string // of the details
	}{
		{"NaN", math.NaN(), `{"v":"NaN"}`},
		{"Inf", math.Inf(-1), `{"v":"-Inf"}`},
		{"huge", 1e300, `{"v":1e+300}`},
		{"channel", make(chan int), `{"v":"[unencodable chan int]"}`},
		{"func", func() {}, `{"v":"[unencodable func()]"}`},
		{"cycle", cyclic, `{"v":{"self":{"self":{"self":"[too deep]"}}}}`},
		{"list cycle", list, `{"v":[[["[too deep]"]]]}`},
		{"pointer cycle", ptr, `{"v":"[too deep]"}`},
		{"panicking MarshalJSON", panicky{}, `{"unencodable":"[unencodable map[string]interface {}]"}`},
		{"panicking String", stubborn{}, `{"unencodable":"[unencodable map[string]interface {}]"}`},
		{"error", grumpy{}, `{"v":"grumpy"}`},
		{"struct", tool{"semgrep", "abc"}, `{"v":{"name":"semgrep","token":"[REDACTED]"}}`},
		{"pointer", &tool{"semgrep", "abc"}, `{"v":{"name":"semgrep","token":"[REDACTED]"}}`},
		{"nil pointer", nilTool, `{"v":null}`},
		{"bytes", []byte("abc"), `{"v":"[3 bytes]"}`},
		{"duration", 1500 * time.Millisecond, `{"v":"1.5s"}`},
		{"time", time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC), `{"v":"2024-01-15T10:30:00Z"}`},
		{"raw JSON", json.RawMessage(`{"a": [1, 2.50]}`), `{"v":{"a":[1,2.50]}}`},
		{"broken raw JSON", json.RawMessage(`{`), `{"v":"[unencodable json.RawMessage]"}`},
		{"forged number", json.Number(`1,"seq":9`), `{"v":"1,\"seq\":9"}`},
		{"ints", []int8{1, -2}, `{"v":[1,-2]}`},
		{"map of ints", map[int]string{2: "b", 1: "a"}, `{"v":{"1":"a","2":"b"}}`},
		{"named types", map[EventType]Severity{EventJobFailed: SeverityError}, `{"v":{"job_failed":"ERROR"}}`},
	} {
		line := encode(Event{Type: EventJobStarted, Details: map[string]any{"v": tc.v}})
		var got struct{ Details json.RawMessage }
		if err := json.Unmarshal([]byte(line), &got); err != nil || string(got.Details) != tc.want {
			t.Errorf("%s: %v, details %s, want %s", tc.name, err, got.Details, tc.want)
		}
	}
}

func TestOneEventIsOneLine(t *testing.T) {
	hostile := "a\nb\r\x00\x1b[31m\x7f\u0085\u202e\u2066\u2028\u2029\ufeff\u200f\U000e0041\xff\xc3"
	line := encode(Event{Type: EventType(hostile), Severity: Severity(hostile), AgentID: hostile, TenantID: hostile, JobID: hostile,
		ReportID: hostile, Message: hostile, Error: hostile, Details: map[string]any{hostile: hostile}})
	if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
		t.Errorf("not one line: %q", line)
	}
	for _, r := range strings.TrimSuffix(line, "\n") {
		if !unicode.IsPrint(r) {
			t.Errorf("%U is in the line", r)
		}
	}
	var e Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(hostile[:len(hostile)-2], "") + "\ufffd\ufffd"; e.Message != want {
		t.Errorf("read back as %q, want %q", e.Message, want)
	}
}

func TestALineHasABound(t *testing.T) {
	big := strings.Repeat("\x00", 1<<20)
	wide, deep := map[string]any{}, map[string]any{}
	for i := range 200 {
		wide[strings.Repeat("k", i+1)] = map[string]any{"a": big, "b": []string{big, big, big}}
	}
	for range 50 {
		deep = map[string]any{"d": deep}
	}
	for name, e := range map[string]Event{
		"message": {Message: big, Error: big, JobID: big, ReportID: big, AgentID: big, TenantID: big, Type: EventType(big), Severity: Severity(big), Details: wide},
		"details": {Details: map[string]any{"x": wide}},
		"deep":    {Details: deep},
		"list":    {Details: map[string]any{"l": make([]string, 1<<20)}},
	} {
		line := encode(e)
		if len(line) > MaxLineBytes || !json.Valid([]byte(line)) || !strings.Contains(line, `,"truncated":true,`) {
			t.Errorf("%s: %d bytes, valid %v, end %q", name, len(line), json.Valid([]byte(line)), line[max(0, len(line)-60):])
		}
	}
	if line := encode(Event{Message: "x"}); strings.Contains(line, "truncated") {
		t.Errorf("a small event says truncated: %s", line)
	}
}

// reserved are the keys that only the logger writes.
var reserved = map[string]bool{"timestamp": true, "type": true, "severity": true, "agent_id": true, "tenant_id": true, "job_id": true,
	"report_id": true, "message": true, "error": true, "duration_ms": true, "details": true, "truncated": true, "seq": true,
	"v": true, "run_id": true, "chain": true, "correlation_id": true, "orig_bytes": true}

func FuzzEncode(f *testing.F) {
	f.Add("job_started", "INFO", "job-1", "message", "error", "key", "value", int64(1e9), 1.5)
	f.Add("a\nb", "\x00", "\xff\xfe", "\u2028\u202e", `","seq":1,"x":"`, "seq", "password=hunter2 https://a:b@c/?token=x", int64(-1), math.NaN())
	f.Add("", "", "", "Bearer abc1", "-----BEGIN RSA PRIVATE KEY-----", "-----", `"token":\"`, int64(0), math.Inf(1))
	f.Fuzz(func(t *testing.T, typ, sev, id, msg, errText, key, val string, ns int64, num float64) {
		line := encode(Event{Timestamp: time.Unix(0, ns), Type: EventType(typ), Severity: Severity(sev), JobID: id, Message: msg,
			Error: errText, Duration: time.Duration(ns), Details: map[string]any{key: val, key + "2": num, "l": []any{val, key, num},
				"m": map[string]string{val: key}, "s": struct{ A any }{val}}})
		if strings.Count(line, "\n") != 1 || len(line) > MaxLineBytes {
			t.Fatalf("not one line within the bound: %d bytes %q", len(line), line)
		}
		dec := json.NewDecoder(strings.NewReader(line))
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			if name := k.(string); !reserved[name] || seen[name] {
				t.Fatalf("key %q is foreign or twice in %q", name, line)
			}
			seen[k.(string)] = true
			var v json.RawMessage
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
		}
		if end, ok := logfile.ParseEnd([]byte(line)); !ok || end.Seq != 7 || logfile.NewLinker().Link(&logfile.Genesis, end.Body) != end.Chain {
			t.Fatalf("seq %d %v of %q", end.Seq, ok, line)
		}
	})
}
