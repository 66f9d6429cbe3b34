package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// chained returns lines of a log, numbered from first, in the chain after prev.
func chained(prev string, first, n int, say string) (lines []string) {
	for i := range n {
		body := fmt.Sprintf(`{"timestamp":"2026-01-02T03:04:05Z","type":"job_started","message":"%s %d","v":1,"run_id":"00","seq":%d`, say, first+i, first+i)
		prev = fmt.Sprintf("%x", sha256.Sum256([]byte(prev+body)))
		lines = append(lines, body+`,"chain":"`+prev+"\"}\n")
	}
	return lines
}

func chainOf(line string) string { return line[len(line)-67 : len(line)-3] }

const auditHeaderLine = `{"timestamp":"2026-01-02T03:04:05Z","type":"audit_opened","details":{"file_id":"x","first_seq":1}` +
	`,"v":1,"run_id":"00","chain":"0000000000000000000000000000000000000000000000000000000000000000"}` + "\n"

// sendAudit posts lines and returns the status and the answer.
func sendAudit(t testing.TB, url, agent, after string, lines ...string) (int, *auditAnswer, *wire.ErrorBody) {
	t.Helper()
	body := codec.Compress(nil, []byte(strings.Join(lines, "")), 3)
	resp := post(t, url+ingest.DefaultAuditPath, tokenA, string(body), "Content-Encoding", "zstd", wire.HeaderAgent, agent, wire.HeaderAfter, after)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a auditAnswer
	var refused wire.ErrorBody
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	if err := json.Unmarshal(b, &refused); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, &a, &refused
}

// wantAudit fails unless the tenant's log of agent is exactly these lines.
func wantAudit(t testing.TB, tenant *Tenant, agent string, breaks int64, lines ...string) {
	t.Helper()
	var got []byte
	for after := uint64(0); ; {
		page, err := tenant.AuditLines(context.Background(), agent, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Data...)
		if after = page.Next; after == 0 {
			if page.Head.Breaks != breaks || page.Head.Lines != int64(bytes.Count(got, []byte(`"seq":`))) {
				t.Errorf("%d lines, %d breaks, want %d and %d", page.Head.Lines, page.Head.Breaks, len(lines), breaks)
			}
			break
		}
	}
	if want := strings.Join(lines, ""); string(got) != want {
		t.Errorf("stored is\n%s\nwant\n%s", got, want)
	}
}

func TestAuditLinesAreStoredOnceInOrder(t *testing.T) {
	s, url := newServer(t, nil)
	log := chained(auditGenesis, 1, 20, "x")
	for _, send := range []struct {
		from, to, status, stored int
	}{{0, 5, 201, 5}, {0, 5, 200, 0}, {3, 9, 201, 4}, {9, 20, 201, 11}, {0, 20, 200, 0}} {
		status, a, _ := sendAudit(t, url, "one", "", log[send.from:send.to]...)
		if status != send.status || a.Stored != send.stored || a.Duplicates != send.to-send.from-send.stored {
			t.Errorf("lines %d to %d: %d, %+v; want %d with %d stored", send.from, send.to, status, a, send.status, send.stored)
		}
	}
	wantAudit(t, s.Tenant("a"), "one", 0, log...)
	wantAudit(t, s.Tenant("b"), "one", 0) // another tenant's
	if status, _, _ := sendAudit(t, url, "two", "", chained(auditGenesis, 1, 3, "y")...); status != 201 {
		t.Errorf("another agent: %d", status)
	}
	wantAudit(t, s.Tenant("a"), "one", 0, log...)
}

func TestAuditHeadersStayWithTheirLine(t *testing.T) {
	s, url := newServer(t, nil)
	log := chained(auditGenesis, 1, 3, "x")
	sendAudit(t, url, "one", "0", auditHeaderLine, log[0], auditHeaderLine, auditHeaderLine, log[1])
	sendAudit(t, url, "one", "2", auditHeaderLine, log[1], auditHeaderLine, log[2])
	wantAudit(t, s.Tenant("a"), "one", 0, auditHeaderLine, log[0], auditHeaderLine, auditHeaderLine, log[1], auditHeaderLine, log[2])
}

// Lines that contradict the stored log are refused and reported, and change nothing.
func TestARewrittenAuditLogIsRefused(t *testing.T) {
	recorded := new(testkit.Recorder)
	s, url := newServer(t, func(c *HandlerConfig) { c.Sink = recorded })
	log := chained(auditGenesis, 1, 10, "x")
	sendAudit(t, url, "one", "0", log...)
	head := chainOf(log[9])
	other := chained(auditGenesis, 1, 12, "other")
	short := append(slices.Clone(log[:5]), chained(chainOf(log[4]), 6, 8, "after the cut")...)
	for name, rq := range map[string]struct {
		after string
		lines []string
	}{
		"from the begin":           {"0", other},
		"its end":                  {"", other[8:]},
		"cut and continued":        {"5:" + chainOf(log[4]), short[5:]},
		"continued past the end":   {"10:" + chainOf(short[9]), short[10:]},
		"the same without a claim": {"", short[10:]},
		"and without a chain":      {"10", short[10:]},
		"a line in between":        {"10:" + head, append(chained(head, 4, 1, "x")[:1:1], chained(head, 11, 1, "x")...)},
	} {
		before := len(withSeverity(recorded, event.Critical))
		status, _, refused := sendAudit(t, url, "one", rq.after, rq.lines...)
		if status != http.StatusConflict || refused.Error.Code != ingest.CodeAuditForked {
			t.Errorf("%s: %d %+v", name, status, refused.Error)
		}
		if len(withSeverity(recorded, event.Critical)) != before+1 {
			t.Errorf("%s: no critical event was recorded", name)
		}
		wantAudit(t, s.Tenant("a"), "one", 0, log...)
	}
	if archived, err := s.Tenant("a").ArchiveAudit("one"); err != nil || archived == "" {
		t.Fatalf("ArchiveAudit = %q, %v", archived, err)
	} else {
		wantAudit(t, s.Tenant("a"), archived, 0, log...)
	}
	if status, _, _ := sendAudit(t, url, "one", "0", other...); status != 201 {
		t.Errorf("POST after ArchiveAudit = %d, want 201", status)
	}
}

// A sender that is ahead is asked for the missing lines. Lines that it does not have either leave a gap, which late lines fill.
func TestAuditGaps(t *testing.T) {
	recorded := new(testkit.Recorder)
	s, url := newServer(t, func(c *HandlerConfig) { c.Sink = recorded })
	log := chained(auditGenesis, 1, 20, "x")
	sendAudit(t, url, "one", "0", log[:5]...)
	for _, after := range []string{"", "10:" + chainOf(log[9]), "0"} {
		status, _, refused := sendAudit(t, url, "one", after, log[10:15]...)
		if status != http.StatusConflict || refused.Error.Code != ingest.CodeAuditBehind || string(refused.Error.Details) != `{"seq":5}` {
			t.Errorf("after %q: %d %+v", after, status, refused.Error)
		}
	}
	for _, after := range []string{"5:" + chainOf(log[4]), "5"} {
		if status, a, refused := sendAudit(t, url, "one", after, log[10:15]...); status/100 != 2 {
			t.Errorf("after %q: %d %+v %+v", after, status, a, refused)
		}
	}
	if n := len(withSeverity(recorded, event.Warn)); n != 4 { // three refusals, one gap
		t.Errorf("%d warnings", n)
	}
	wantAudit(t, s.Tenant("a"), "one", 1, append(slices.Clone(log[:5]), log[10:15]...)...)
	sendAudit(t, url, "one", "15", log[7:12]...)
	wantAudit(t, s.Tenant("a"), "one", 1, append(slices.Clone(log[:5]), log[7:15]...)...)
	sendAudit(t, url, "one", "15", log...)
	wantAudit(t, s.Tenant("a"), "one", 0, log...)
}

// A line that was altered before it was sent is evidence: it is stored and reported.
func TestAnAlteredAuditLineIsReportedAndKept(t *testing.T) {
	for _, at := range []int{5, 7} { // the first of a request, and one within
		recorded := new(testkit.Recorder)
		s, url := newServer(t, func(c *HandlerConfig) { c.Sink = recorded })
		log := chained(auditGenesis, 1, 10, "x")
		sendAudit(t, url, "one", "0", log[:5]...)
		log[at] = strings.Replace(log[at], `"x `, `"y `, 1)
		if status, _, refused := sendAudit(t, url, "one", "5:"+chainOf(log[4]), log[5:]...); status != 201 {
			t.Errorf("%d %+v", status, refused.Error)
		}
		wantAudit(t, s.Tenant("a"), "one", 1, log...)
		if got := withSeverity(recorded, event.Critical); len(got) != 1 || got[0].Details["seq"] != uint64(at+1) {
			t.Errorf("critical events = %+v, want one of line %d", got, at+1)
		}
	}
}

func TestBadAuditRequests(t *testing.T) {
	s, url := newServer(t, func(c *HandlerConfig) { c.Limits.MaxDecompressedBytes = 4 << 20 })
	log := chained(auditGenesis, 1, 3, "x")
	long := strings.Replace(log[0], `"x 1"`, `"`+strings.Repeat("x", wire.MaxAuditLine)+`"`, 1)
	many := strings.Join(chained(auditGenesis, 1, maxAuditLines+1, "x"), "")
	for name, rq := range map[string]struct {
		agent, after, body string
		status             int
	}{
		"no agent":              {"", "", log[0], 400},
		"an agent of spaces":    {"a b", "", log[0], 400},
		"a claim of no number":  {"one", "x", log[0], 400},
		"a claim of half chain": {"one", "1:abc", log[0], 400},
		"nothing":               {"one", "", "", 400},
		"half a line":           {"one", "", log[0] + log[1][:100], 400},
		"no JSON":               {"one", "", strings.Replace(log[0], `{"`, `{`, 1), 400},
		"other JSON":            {"one", "", "{}\n", 400},
		"no number":             {"one", "", strings.Replace(log[0], `"seq":1`, `"seq":"1"`, 1), 400},
		"backwards":             {"one", "", log[1] + log[0], 400},
		"twice":                 {"one", "", log[0] + log[0], 400},
		"only a header":         {"one", "", auditHeaderLine, 400},
		"a header at the end":   {"one", "", log[0] + auditHeaderLine, 400},
		"a long line":           {"one", "", long, 400},
		"headers without end":   {"one", "", strings.Repeat(auditHeaderLine, 2000) + log[0], 413},
		"many lines":            {"one", "", many, 413},
		"many bytes":            {"one", "", many + many, 413},
	} {
		resp := post(t, url+ingest.DefaultAuditPath, tokenA, string(codec.Compress(nil, []byte(rq.body), 1)), "Content-Encoding", "zstd", wire.HeaderAgent, rq.agent, wire.HeaderAfter, rq.after)
		if resp.StatusCode != rq.status {
			b, _ := io.ReadAll(resp.Body)
			t.Errorf("%s: %d, want %d: %s", name, resp.StatusCode, rq.status, b)
		}
	}
	if resp := post(t, url+ingest.DefaultAuditPath, "unknown-token-of-nobody", log[0], wire.HeaderAgent, "one"); resp.StatusCode != 401 {
		t.Errorf("a wrong token: %d", resp.StatusCode)
	}
	if heads, err := s.Tenant("a").AuditHeads(t.Context()); err != nil || len(heads) != 0 {
		t.Errorf("something was stored: %+v %v", heads, err)
	}
}

func TestTheSameAuditRequestIsKnown(t *testing.T) {
	s, url := newServer(t, nil)
	body := strings.Join(chained(auditGenesis, 1, 30, "x"), "")
	for i := range 3 {
		resp := post(t, url+ingest.DefaultAuditPath, tokenA, body, wire.HeaderAgent, "one", wire.HeaderKey, "1-30-abc", wire.HeaderAfter, "0")
		var a auditAnswer
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
			t.Fatal(err)
		}
		if a.Seq != 30 || i > 0 && (resp.StatusCode != 200 || a.Duplicates != 30) {
			t.Errorf("request %d: %d %+v", i, resp.StatusCode, a)
		}
	}
	if head, err := s.Tenant("a").AuditHead(t.Context(), "one"); err != nil || head.Lines != 30 || head.Repeated != 60 {
		t.Errorf("%+v %v", head, err)
	}
}

func TestAuditLinesOverHTTP(t *testing.T) {
	_, url := newServer(t, nil)
	log := chained(auditGenesis, 1, 25, "x")
	sendAudit(t, url, "one", "0", append([]string{auditHeaderLine}, log...)...)
	c := newClient(t, url, tokenA)
	heads, err := c.AuditHeads(t.Context())
	if err != nil || len(heads) != 1 || heads[0].Agent != "one" || heads[0].Seq != 25 || heads[0].Chain != chainOf(log[24]) || heads[0].Lines != 25 {
		t.Errorf("%+v %v", heads, err)
	}
	var got []byte
	pages := 0
	for after := uint64(0); pages == 0 || after > 0; pages++ {
		page, err := c.AuditLines(t.Context(), "one", after, 10)
		if err != nil {
			t.Fatal(err)
		}
		if page.Head.Seq != 25 || page.Head.Chain != chainOf(log[24]) {
			t.Errorf("head %+v", page.Head)
		}
		got, after = append(got, page.Data...), page.Next
	}
	if want := auditHeaderLine + strings.Join(log, ""); string(got) != want || pages != 3 {
		t.Errorf("%d pages: %s", pages, got)
	}
	if other, err := newClient(t, url, tokenB).AuditHeads(t.Context()); err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %+v %v", other, err)
	}
	for _, q := range []string{"after=-1", "after=x", "limit=-1", "limit=x"} {
		if resp := get(t, url+ingest.DefaultAuditPath+"?agent=one&"+q, tokenA); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("GET with %s = %d, want 400", q, resp.StatusCode)
		}
	}
}

// withSeverity returns the events of one severity.
func withSeverity(r *testkit.Recorder, s event.Severity) (out []event.Event) {
	return slices.DeleteFunc(r.Events(), func(e event.Event) bool { return e.Severity != s })
}

func FuzzReadAuditLines(f *testing.F) {
	log := strings.Join(chained(auditGenesis, 1, 3, "x"), "")
	f.Add([]byte(log))
	f.Add([]byte(auditHeaderLine + log))
	f.Add([]byte(strings.Replace(log, `,"chain"`, `,"mac":"`+auditGenesis+`","chain"`, 2)))
	f.Fuzz(func(t *testing.T, body []byte) {
		lines, err := readAuditLines(body)
		if err != nil {
			return
		}
		var all []byte
		var last uint64
		for _, l := range lines {
			all = append(all, l.data...)
			again, err := readAuditLines(l.data)
			if err != nil || len(again) != 1 || again[0].auditMark != l.auditMark || l.seq <= last || l.seq >= wire.MaxAuditSeq || len(l.chain) != 64 {
				t.Fatalf("line %+v after %d: read again %+v, %v", l, last, again, err)
			}
			last = l.seq
		}
		if !bytes.Equal(all, body) || len(lines) == 0 {
			t.Fatalf("%q became %q", body, all)
		}
	})
}
