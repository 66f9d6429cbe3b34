package chunk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestReportComesBackWhole(t *testing.T) {
	rec := &testkit.Recorder{}
	m := open(t, Config{Sink: rec, MaxConcurrentUploads: 100})
	r := testReport("r", 5000)
	r.Dependencies = []*report.Dependency{{Name: "left-pad", Version: "1.0"}}
	r.Properties = report.Properties{"answer": 42.0}
	before := len(r.Findings)
	submit(t, m, r, part.Envelope{TenantID: "acme", JobID: "job", Priority: 7})
	if len(r.Findings) != before || r.Version != "" {
		t.Error("Put changed the caller's report")
	}

	parts := drain(t, m)
	if len(parts) < 10 {
		t.Fatalf("%d parts of 5000 findings", len(parts))
	}
	deps := 0
	for i, p := range parts {
		if p.Index != i || p.Total != len(parts) || p.Final != (i == len(parts)-1) || p.TenantID != "acme" || p.JobID != "job" || p.Priority != 7 || p.Attempt != 1 {
			t.Fatalf("part %d: %+v", i, p)
		}
		got, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		if got.Tool == nil || got.Tool.Name != "test" || got.Metadata.ID != "r" || len(got.Findings) > 0 && len(got.Assets) != 1 {
			t.Fatalf("part %d does not stand alone: tool %v, %d assets", i, got.Tool, len(got.Assets))
		}
		if p.Final && fmt.Sprint(got.Properties["answer"]) != "42" {
			t.Errorf("properties %v", got.Properties)
		}
		deps += len(got.Dependencies)
	}
	if got := titles(t, parts); len(got) != 5000 || deps != 1 {
		t.Fatalf("%d findings, %d dependencies", len(got), deps)
	}
	if e := rec.Events(event.ChunkCreated); len(e) != 1 || e[0].ReportID != "r" || e[0].TenantID != "acme" || e[0].Details["parts"] != len(parts) {
		t.Errorf("chunk_created: %+v", e)
	}
	if e := rec.Events(event.ChunkUploaded); len(e) != len(parts) {
		t.Errorf("%d chunk_uploaded for %d parts", len(e), len(parts))
	}
}

func TestSameContentAgainIsNotStoredTwice(t *testing.T) {
	m := open(t, split)
	for range 3 {
		submit(t, m, testReport("r", 6))
	}
	if c := m.Counts(); c.Submitted != 1 || c.Parts != 3 {
		t.Fatalf("Counts = %+v, want Submitted == 1, Parts == 3", c)
	}
	drain(t, m)
	submit(t, m, testReport("r", 6)) // after it is uploaded, too
	if p := next(t, m); p != nil {
		t.Fatalf("part %s is uploaded twice", p.Key)
	}
	if s, err := m.Stats(t.Context()); err != nil || s.Duplicates != 3 {
		t.Fatalf("Stats = %+v %v, want err == nil, Duplicates == 3", s, err)
	}
}

func TestReportWithoutTimestampAgainIsNotStoredTwice(t *testing.T) {
	m := open(t, split)
	for range 2 {
		r := testReport("r", 6)
		r.Metadata.Timestamp = time.Time{}
		submit(t, m, r)
		time.Sleep(time.Millisecond) // so that a fresh timestamp would differ
	}
	if c := m.Counts(); c.Submitted != 1 {
		t.Fatalf("Counts = %+v, want Submitted == 1", c)
	}
	drain(t, m)
}

func TestOtherContentUnderTheSameIDIsDeliveredToo(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 2))
	submit(t, m, testReport("r", 7)) // a rescan that found more, before the first was uploaded
	infos, err := m.Storage().Report(t.Context(), "r")
	if err != nil || len(infos) != 2 || infos[0].Revision != 1 || infos[1].Revision != 2 || infos[1].Findings != 7 {
		t.Fatalf("reports = %+v %v, want err == nil and len(infos) == 2 and infos[0].Revision == 1 and infos[1].Revision == 2 and infos[1].Findings == 7", infos, err)
	}
	if got := titles(t, drain(t, m)); len(got) != 7 || got["finding 0 of r"] != 2 {
		t.Fatalf("got = %v, want len(got) == 7 and got[\"finding 0 of r\"] == 2", got)
	}
	if c := m.Counts(); c.Completed != 2 {
		t.Fatalf("Counts = %+v, want Completed == 2", c)
	}
}

// A report that returns to an earlier content has parts with the keys of the earlier revision: both are leased at one time.
func TestContentThatComesBackIsSettledByItself(t *testing.T) {
	m := open(t, split)
	for _, n := range []int{2, 4, 2} {
		submit(t, m, testReport("r", n))
	}
	var leased []*part.Part
	for p := next(t, m); p != nil; p = next(t, m) {
		leased = append(leased, p)
	}
	if len(leased) != 4 {
		t.Fatalf("%d parts leased, want 1 + 2 + 1", len(leased))
	}
	for _, p := range leased {
		settle(t, m, p, uploaded)
	}
	if c := m.Counts(); c.Completed != 3 || c.InProgress != 0 || c.Queued != 0 {
		t.Fatalf("Counts = %+v, want Completed == 3, InProgress == 0, Queued == 0", c)
	}
}

func TestProgressIsKeptWhenSubmitOverlapsUploads(t *testing.T) {
	m := open(t, Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true})
	ctx, cancel := context.WithCancel(t.Context())
	var uploads sync.WaitGroup
	for range 2 {
		uploads.Go(func() {
			for ctx.Err() == nil {
				p, _, err := m.Next(ctx)
				if p != nil {
					_, err = m.Settle(ctx, p, uploaded)
				} else if err == nil {
					select {
					case <-m.Ready():
						m.wake() // there are two of us
					case <-ctx.Done():
					}
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	sizes := []int{3000, 20_000, 3000}
	for i, n := range sizes {
		submit(t, m, testReport(fmt.Sprint("r", i), n))
	}
	testkit.Eventually(t, "all three uploaded", func() bool { return m.Counts().Completed == 3 })
	cancel()
	uploads.Wait()
	if n := number(t, m, "SELECT count(*) FROM blobs"); n != 0 {
		t.Errorf("%d blobs are kept", n)
	}
	for _, i := range testkit.Must(m.Storage().Reports(t.Context(), 0)) {
		if i.State != StateCompleted || i.Uploaded != i.Parts || i.Findings != sizes[i.ReportID[1]-'0'] {
			t.Errorf("report = %+v, want i.State == StateCompleted and i.Uploaded == i.Parts and i.Findings == sizes[i.ReportID[1]-'0']", i)
		}
	}
}

// stream writes a report of mb MiB without closing it: some of its parts are on disk.
func stream(t testing.TB, m *Manager, id string, mb int) part.Writer {
	t.Helper()
	w, err := m.NewWriter(context.Background(), testReport(id, 0), part.Envelope{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range mb * 4 {
		if err := w.AddFinding(bulkyFinding(id, i)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestStreamedReportIsInvisibleUntilSealed(t *testing.T) {
	m := open(t, Config{})
	w := stream(t, m, "r", 4)
	if n := number(t, m, "SELECT count(*) FROM parts"); n == 0 {
		t.Fatal("4 MiB were streamed and no part is on disk: the test shows nothing")
	}
	if p := next(t, m); p != nil {
		t.Fatalf("part %s of an open report is leased", p.Key)
	}
	if r, err := m.Storage().Reports(t.Context(), 0); err != nil || len(r) != 0 {
		t.Fatalf("Reports = %+v %v, want err == nil and len(r) == 0", r, err)
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	parts := drain(t, m)
	if len(parts) != sum.Parts || len(titles(t, parts)) != 16 {
		t.Fatalf("%d of %d parts with %d findings", len(parts), sum.Parts, len(titles(t, parts)))
	}
	if _, err := w.Close(); err == nil {
		t.Error("a second Close succeeds")
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after Close: %v", err)
	}
}

func TestUnsealedReportIsRemovedAtStart(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("whole", 3))
	_ = stream(t, m, "half", 4)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, Config{DatabasePath: m.db.Path})
	if n := number(t, m, "SELECT count(*) FROM reports WHERE id = 'half'"); n != 0 {
		t.Fatal("the unfinished report is still there")
	}
	if n := number(t, m, "SELECT count(*) FROM blobs"); n != 1 {
		t.Fatalf("%d blobs, want 1, which belongs to the complete report", n)
	}
	if c := m.Counts(); c.Recovered != 1 {
		t.Fatalf("Counts = %+v, want Recovered == 1", c)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	m := open(t, Config{})
	if err := stream(t, m, "r", 4).Abort(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := m.NewWriter(ctx, testReport("r2", 0), part.Envelope{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		if err := w.AddFinding(bulkyFinding("r2", i)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Fatalf("Close after its context ended: %v", err)
	}
	if n := number(t, m, "SELECT (SELECT count(*) FROM reports) + (SELECT count(*) FROM blobs)"); n != 0 {
		t.Fatalf("%d rows are left", n)
	}
}

func TestBadReportIsRefusedWhole(t *testing.T) {
	m := open(t, split)
	bad := testReport("r", 9)
	bad.Findings[8].Severity = "grave"
	if _, err := m.SubmitReport(t.Context(), bad); err == nil {
		t.Error("an unknown severity is accepted")
	}
	big := testReport("r", 9)
	big.Findings[8].Description = noise(1, 8<<20)
	var tooLarge *report.TooLargeError
	if _, err := m.SubmitReport(t.Context(), big); !errors.As(err, &tooLarge) {
		t.Errorf("a finding of 8 MiB: %v", err)
	}
	if _, err := m.SubmitReport(t.Context(), nil); err == nil {
		t.Error("a nil report is accepted")
	}
	if _, err := m.SubmitReport(t.Context(), testReport("a/b", 1)); err == nil {
		t.Error("the ID a/b is accepted")
	}
	if n := number(t, m, "SELECT count(*) FROM reports"); n != 0 {
		t.Errorf("%d refused reports are stored", n)
	}
	if id, err := m.SubmitReport(t.Context(), testReport("", 1)); err != nil || report.CheckID("id", id) != nil {
		t.Errorf("made-up ID %q, %v", id, err)
	}
}

func TestOddTenantsAreKeptApart(t *testing.T) {
	m := open(t, Config{MaxConcurrentUploads: 100})
	tenants := []string{"", "a", "A", "a ", "a.b", "a/../b", "'; DROP TABLE reports; --", "%", "_", "ünï", "日本", "a\x00b", "a\x00c", "\xff\xfe", string(make([]byte, 300))}
	id := "-_" + string(slices.Repeat([]byte("x"), 254))
	for i, tenant := range tenants {
		submit(t, m, testReport(id, i+1), part.Envelope{TenantID: tenant})
	}
	seen := map[string]int{}
	for _, p := range drain(t, m) {
		seen[p.TenantID] = p.Findings
	}
	for i, tenant := range tenants {
		if seen[tenant] != i+1 {
			t.Errorf("tenant %q got the report of %d findings, want %d", tenant, seen[tenant], i+1)
		}
		if r, err := m.Tenant(tenant).Report(t.Context(), id); err != nil || len(r) != 1 || r[0].Findings != i+1 {
			t.Errorf("tenant %q sees %+v, %v", tenant, r, err)
		}
	}
}

func TestNewestRevisionIsKnownWhenTheFirstIsGone(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 1))
	drain(t, m)
	second := testReport("r", 2)
	submit(t, m, second)
	if n, err := m.cleanUpAge(t.Context(), time.Now().Add(25*time.Hour)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	submit(t, m, second)
	if n := number(t, m, "SELECT count(*) FROM reports"); n != 1 {
		t.Errorf("the same content is stored %d times", n)
	}
	submit(t, m, testReport("r", 3))
	if infos, err := m.Storage().Report(t.Context(), "r"); err != nil || len(infos) != 2 || infos[1].Findings != 3 {
		t.Errorf("Report = %+v %v, want err == nil and len(infos) == 2 and infos[1].Findings == 3", infos, err)
	}
}
