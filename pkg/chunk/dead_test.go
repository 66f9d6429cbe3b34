package chunk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestDeadLettersAreListedRetriedAndDropped(t *testing.T) {
	rec := &testkit.Recorder{}
	cfg := split
	cfg.Sink = rec
	m := open(t, cfg)
	ctx, s := t.Context(), m.Storage()
	submit(t, m, testReport("r", 6))
	dead := part.Outcome{Kind: part.Dead, Err: errors.New("refused: " + strings.Repeat("x", 5000))}
	settle(t, m, next(t, m), dead)
	settle(t, m, next(t, m), uploaded)
	if prog := settle(t, m, next(t, m), dead); !prog.Finished || prog.Dead != 2 || prog.Done != 1 {
		t.Fatalf("Settle = %+v, want Finished, Dead == 2, Done == 1", prog)
	}
	if c := m.Counts(); c.Failed != 1 || c.Parts != 0 {
		t.Fatalf("Counts = %+v, want Failed == 1, Parts == 0", c)
	}
	list := testkit.Must(s.Reports(ctx, 0, StateFailed))
	if len(list) != 1 || list[0].Dead != 2 || !strings.HasPrefix(list[0].LastError, "refused") || len(list[0].LastError) > maxErrorText || list[0].Finished == nil {
		t.Fatalf("reports = %+v, want len(list) == 1 and list[0].Dead == 2 and strings.HasPrefix(list[0].LastError, \"refused\") and len(list[0].LastError) <= maxErrorText and list[0].Finished != nil", list)
	}
	if parts := testkit.Must(s.Parts(ctx, "r")); len(parts) != 3 || parts[0].State != "dead" || parts[1].State != "uploaded" {
		t.Fatalf("parts = %+v, want len(parts) == 3 and parts[0].State == \"dead\" and parts[1].State == \"uploaded\"", parts)
	}
	if e := rec.Events(event.ChunkFailed); len(e) != 2 || e[0].Severity != event.Error {
		t.Errorf("event = %+v, want len(e) == 2 and e[0].Severity == event.Error", e)
	}

	if n, err := s.RetryDead(ctx, "r"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if c := m.Counts(); c.Recovered != 1 || c.Queued != 1 || c.Parts != 2 {
		t.Fatalf("Counts = %+v, want Recovered == 1, Queued == 1, Parts == 2", c)
	}
	p := next(t, m)
	if p.Attempt != 1 {
		t.Errorf("attempt %d: a retried dead letter starts anew", p.Attempt)
	}
	settle(t, m, p, uploaded)
	if prog := settle(t, m, next(t, m), uploaded); !prog.Finished || prog.Dead != 0 || prog.Done != 3 {
		t.Fatalf("Settle = %+v, want Finished, Dead == 0, Done == 3", prog)
	}

	submit(t, m, testReport("r2", 1))
	settle(t, m, next(t, m), dead)
	if n, err := s.Drop(ctx, "r2"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := s.Report(ctx, "r2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after Drop: %v", err)
	}
	if _, err := s.RetryDead(ctx, "r2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("RetryDead after Drop: %v", err)
	}
}

func TestDeadLetterSubmittedAgainIsTriedAgain(t *testing.T) {
	for name, loseData := range map[string]func(*Storage) error{
		"data kept": func(*Storage) error { return nil },
		"data deleted": func(s *Storage) error {
			return s.DeleteChunkData(t.Context(), testkit.Must(s.Parts(t.Context(), "r"))[0].ChunkID)
		},
		"parts deleted": func(s *Storage) error { _, err := s.DeleteReportChunks(t.Context(), "r"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, split)
			submit(t, m, testReport("r", 4))
			for range 2 {
				settle(t, m, next(t, m), part.Outcome{Kind: part.Dead, Err: errors.New("no")})
			}
			if err := loseData(m.Storage()); err != nil {
				t.Fatal(err)
			}
			submit(t, m, testReport("r", 4))
			if got := titles(t, drain(t, m)); len(got) != 4 {
				t.Fatalf("%d of 4 findings uploaded", len(got))
			}
			if r := testkit.Must(m.Storage().Report(t.Context(), "r")); r[len(r)-1].State != StateCompleted {
				t.Fatalf("report = %+v, want r[len(r)-1].State == StateCompleted", r)
			}
		})
	}
}

func TestDeadLettersAreExported(t *testing.T) {
	for what, cfg := range map[string]Config{"plain": split, "encrypted": withKeys(key(1))} {
		m := open(t, cfg)
		submit(t, m, testReport("r", 6))
		settle(t, m, next(t, m), uploaded) // its data is gone
		for p := next(t, m); p != nil; p = next(t, m) {
			settle(t, m, p, part.Outcome{Kind: part.Dead, Err: errors.New("refused")})
		}
		var out bytes.Buffer
		if n, err := m.Storage().Export(t.Context(), "r", &out); n != 2 || err != nil {
			t.Fatal(what, n, err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("%s: %d lines", what, len(lines))
		}
		for i, line := range lines {
			var r report.Report
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("finding %d of r", 2*i+2); r.Metadata.ID != "r" || len(r.Findings) != 2 || len(r.Assets) != 1 || r.Findings[0].Title != want {
				t.Errorf("%s: %s", what, line)
			}
		}
		execute(t, m, "UPDATE blobs SET data = x'00'")
		if _, err := m.Storage().Export(t.Context(), "r", io.Discard); err == nil {
			t.Errorf("%s: damaged data is exported", what)
		}
	}
}

// Dead letters whose data an operator freed are stored anew when their report comes again, whatever state it is in.
func TestResubmitRestoresFreedData(t *testing.T) {
	for _, retry := range []bool{false, true} {
		m := open(t, split)
		submit(t, m, testReport("r", 6))
		p := next(t, m)
		settle(t, m, p, part.Outcome{Kind: part.Dead, Err: errors.New("no")})
		if err := m.Storage().DeleteChunkData(t.Context(), p.Key); err != nil {
			t.Fatal(err)
		}
		if retry {
			if _, err := m.Storage().RetryDead(t.Context(), "r"); err != nil {
				t.Fatal(err)
			}
		}
		submit(t, m, testReport("r", 6))
		got := 0
		for _, p := range drain(t, m) {
			if _, err := p.Report(); err == nil {
				got += p.Findings
			}
		}
		if got != 6 {
			t.Errorf("retry %v: %d of 6 findings uploaded", retry, got)
		}
	}
}
