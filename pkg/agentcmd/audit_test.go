package agentcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

// auditLog opens the log of h, and the test closes it.
func (h *home) auditLog(change func(*audit.LoggerConfig)) *audit.Logger {
	h.t.Helper()
	c := audit.LoggerConfig{AgentID: "host-7", LogFile: h.auditFile(), Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	l, err := audit.NewLogger(&c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = l.Stop() })
	return l
}

func (h *home) auditFile() string { return filepath.Join(h.state, "audit.log") }

// logged logs them all and closes the log.
func logged(t *testing.T, l *audit.Logger, events ...audit.Event) {
	t.Helper()
	for _, e := range events {
		if err := l.Log(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
}

// jsonLines decodes output of a line of JSON for each event.
func (r *result) jsonLines() (out []map[string]any) {
	r.t.Helper()
	for line := range strings.Lines(r.out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			r.t.Fatalf("%v: %v in %q", r.args, err, line)
		}
		out = append(out, m)
	}
	return out
}

func TestAuditQuery(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	old := time.Now().Add(-72 * time.Hour)
	logged(t, h.auditLog(nil),
		audit.Event{Type: audit.EventAgentStart, Message: "agent started", Timestamp: old},
		audit.Event{Type: audit.EventJobFailed, Severity: audit.SeverityError, JobID: "j-1", Message: "job=2 failed", Error: "exit 7"},
		audit.Event{Type: audit.EventUploadCompleted, ReportID: "r-1", Duration: 1500 * time.Millisecond, Details: map[string]any{"bytes": 12345678, "to": "Relay one"}},
	)
	h.run("audit", "query").want(ExitOK, "ERROR     job_failed         \"job=2 failed\"  error=\"exit 7\"  job=j-1  seq=2\n",
		"report=r-1  took=1.5s  bytes=12345678  to=\"Relay one\"  seq=3\n", old.UTC().Format("2006-01-02T15:04:05.000Z")+"  INFO      agent_start        agent started  seq=1\n")
	for _, tc := range []struct {
		args string
		want []int
	}{
		{"", []int{1, 2, 3}},
		{"--newest", []int{3, 2, 1}},
		{"--newest --limit 1", []int{3}},
		{"--since 2h", []int{2, 3}},
		{"--since 4d", []int{1, 2, 3}},
		{"--until 1h", []int{1}},
		{"--since 2020-01-01 --until " + old.Add(time.Second).Format(time.RFC3339), []int{1}},
		{"--type job_failed,agent_start", []int{1, 2}},
		{"--severity warn", []int{2}},
		{"--job j-1", []int{2}},
		{"--report r-1", []int{3}},
		{"--text relay", []int{3}},
		{h.state + " --limit 1", []int{1}},
	} {
		lines := h.run(append([]string{"audit", "query", "-o", "json"}, strings.Fields(tc.args)...)...).want(ExitOK).jsonLines()
		var got []int
		for _, l := range lines {
			got = append(got, int(l["seq"].(float64)))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.args, got, tc.want)
		}
	}
	h.run("audit", "query", "--type", "job_faild").want(ExitOK, "no event matches; did you mean --type job_failed?")
	h.run("audit", "query", "--since", "yesterday").want(ExitUsage, "--since", "7d")
	h.run("audit", "query", "--severity", "bad").want(ExitUsage, "DEBUG, INFO")
	h.run("audit", "query", "--limit", "-1").want(ExitUsage, "Limit")
	h.run("audit", "query", t.TempDir()).want(ExitRuntime, "no audit log")
	h.run("audit", "qery").want(ExitUsage, `did you mean "query"?`)
}

func TestAuditTail(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	l := h.auditLog(func(c *audit.LoggerConfig) { c.MaxSizeMB = 1; c.Compress = true })
	l.Start()
	log := func(from, to int) {
		for i := from; i <= to; i++ {
			if err := l.Log(audit.Event{Type: audit.EventJobStarted, JobID: fmt.Sprintf("j-%d", i), Details: map[string]any{"pad": strings.Repeat("p", 2000)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	log(1, 20)
	if got := h.run("audit", "tail", "-n", "3", "-o", "json").want(ExitOK).jsonLines(); len(got) != 3 || got[0]["job_id"] != "j-18" {
		t.Errorf("tail: %v", got)
	}
	h.run("audit", "tail", "-n", "-1").want(ExitUsage, "--lines")
	followers := map[int]*process{19: h.start("audit", "tail", "-f", "-n", "2", "-o", "json"), 21: h.start("audit", "tail", "-f", "-n", "0", "-o", "json")}
	testkit.Eventually(t, "its first lines", func() bool { return strings.Count(followers[19].out.String(), "\n") == 2 })
	log(21, 1200) // over two rotations
	for first, p := range followers {
		// The one that begins with nothing may have begun a moment later.
		testkit.Eventually(t, "the last line", func() bool { return p.out.contains(`"job_id":"j-1200"`) })
		p.signal(syscall.SIGINT)
		if code := p.wait(); code != ExitOK {
			t.Errorf("Ctrl-C: exit %d: %s", code, p.err.String())
		}
		n := 0
		for line := range strings.Lines(p.out.String()) {
			var e struct {
				Type audit.EventType
				Job  string `json:"job_id"`
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if e.Type != audit.EventJobStarted {
				continue
			}
			if n == 0 && first == 21 {
				if _, err := fmt.Sscanf(e.Job, "j-%d", &n); err != nil || n < first {
					t.Fatalf("-n 0 begins with %s", e.Job)
				}
			} else if n++; n == 1 {
				n = first
			}
			if e.Job != fmt.Sprintf("j-%d", n) {
				t.Fatalf("%s, want j-%d", e.Job, n)
			}
		}
	}
}

// Each kind of damage has its verdict, exit code and message.
func TestAuditVerify(t *testing.T) {
	t.Parallel()
	edit := func(t *testing.T, h *home, f func(b []byte) []byte) {
		b, err := os.ReadFile(h.auditFile())
		if err == nil {
			err = os.WriteFile(h.auditFile(), f(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name   string
		damage func(*testing.T, *home)
		code   int
		says   []string
	}{
		{"intact", func(*testing.T, *home) {}, ExitOK, []string{"intact: every line is present", "head 3:", "--known"}},
		{"torn", func(t *testing.T, h *home) { edit(t, h, func(b []byte) []byte { return append(b, `{"timest`...) }) }, ExitOK, []string{"torn: whole except for half a line"}},
		{"missing", func(t *testing.T, h *home) {
			edit(t, h, func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] })
		}, ExitNotWhole, []string{"missing: LINES ARE MISSING", "the log ends with line 2"}},
		{"tampered", func(t *testing.T, h *home) {
			edit(t, h, func(b []byte) []byte { return bytes.Replace(b, []byte("j-2"), []byte("j-9"), 1) })
		}, ExitNotWhole, []string{"tampered: LINES HAVE BEEN CHANGED", "audit.log:3"}},
		{"removed", func(t *testing.T, h *home) {
			if err := os.Remove(h.auditFile()); err != nil {
				t.Fatal(err)
			}
		}, ExitNotWhole, []string{"missing"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			logged(t, h.auditLog(nil), audit.Event{Type: audit.EventAgentStart}, audit.Event{Type: audit.EventJobStarted, JobID: "j-2"}, audit.Event{Type: audit.EventAgentStop})
			var before auditlog.Report
			h.run("audit", "verify", "-o", "json").want(ExitOK).decodeVerdict(&before)
			tc.damage(t, h)
			h.run("audit", "verify").want(tc.code, tc.says...)
			var v struct{ Verdict string }
			h.run("audit", "verify", "-o", "json").want(tc.code).decode(&v)
			if v.Verdict != tc.name && tc.name != "removed" {
				t.Errorf("verdict %q", v.Verdict)
			}
			if tc.name == "intact" {
				head := fmt.Sprintf("%d:%s", before.Head.Seq, before.Head.Chain)
				h.run("audit", "verify", "--known", head).want(ExitOK, "intact")
				h.run("audit", "verify", "--known", "3:"+strings.Repeat("0", 64)).want(ExitNotWhole, "tampered")
				h.run("audit", "verify", "--known", "4:"+strings.Repeat("0", 64)).want(ExitNotWhole, "missing")
				h.run("audit", "verify", "--known", "3").want(ExitUsage, "SEQ:CHAIN")
				h.run("audit", "verify", t.TempDir()).want(ExitRuntime, "there is no audit log")
			}
		})
	}
}

// decodeVerdict reads the report of audit verify, whose verdict is a name.
func (r *result) decodeVerdict(rep *auditlog.Report) {
	r.t.Helper()
	var v struct{ Head audit.Mark }
	r.decode(&v)
	rep.Head = v.Head
}

func TestAuditKey(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	dir := t.TempDir()
	keyFile, first, other := filepath.Join(dir, "key"), filepath.Join(dir, "first"), filepath.Join(dir, "other")
	write(t, first, h.run("audit", "new-key", keyFile).want(ExitOK, "on another host").out)
	write(t, other, h.run("audit", "new-key", keyFile+"2").want(ExitOK).out)
	h.run("audit", "new-key", keyFile).want(ExitRuntime, "exist")
	logged(t, h.auditLog(func(c *audit.LoggerConfig) { c.KeyFile = keyFile }), audit.Event{Type: audit.EventAgentStart}, audit.Event{Type: audit.EventAgentStop})
	h.run("audit", "verify", "--key", first).want(ExitOK, "intact", "2 signatures checked")
	h.run("audit", "verify", "--key", other).want(ExitNotWhole, "tampered", "signature")
	h.run("audit", "verify", "--key", h.config).want(ExitUsage, "new-key")
}

// Whatever stands in a log, nothing that moves a cursor or turns text around comes out of any verb.
func TestAuditShowsNoControlCharacter(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	evil := "\x1b[2J\u009b31m\u202egnp.exe\u2028\x7f"
	logged(t, h.auditLog(nil), audit.Event{Type: audit.EventType("t" + evil), Message: evil, Error: evil, JobID: evil, Details: map[string]any{evil: map[string]any{evil: evil}}})
	b, err := os.ReadFile(h.auditFile())
	if err != nil {
		t.Fatal(err)
	}
	raw := "\u009b31m\u202e\x7f\U000e0001"
	b = fmt.Appendf(b, "{\"type\":\"a%s\",\r\t\"message\":\"%s\xff\",\"severity\":\"%s\",\"details\":{\"%s\":\"%s\"}}\n", raw, raw, raw, raw, raw)
	b = append(b, "\x1b[2J no JSON\n{\"type\":\"audit_opened\",\"file\x1b\n"...)
	if err := os.WriteFile(h.auditFile(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"query", "query -o json", "query --newest", "tail", "tail -o json", "verify", "verify -o json"} {
		r := h.run(append([]string{"audit"}, strings.Fields(args)...)...)
		if args != "verify" && args != "verify -o json" {
			r.want(ExitOK)
			if strings.Count(r.out, "\n") != 2 {
				t.Errorf("%s: %q", args, r.out)
			}
		}
		for _, out := range []string{r.out, r.err} {
			if !utf8.ValidString(out) || strings.ContainsFunc(strings.ReplaceAll(out, "\n", ""), func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%s prints %q", args, out)
			}
		}
	}
}
