package chunk

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// Two tenants have reports of the same IDs. Nothing that one does through its door shows or changes the other's.
func TestTenantsDoNotSeeOrTouchEachOther(t *testing.T) {
	m := open(t, Config{MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, MaxConcurrentUploads: 99})
	ctx := t.Context()
	theirs := part.Envelope{TenantID: "theirs"}
	submit(t, m, testReport("dead", 2), theirs)
	settle(t, m, next(t, m), part.Outcome{Kind: part.Dead, Err: errors.New("no")})
	submit(t, m, testReport("done", 4), theirs)
	drain(t, m)
	submit(t, m, testReport("waiting", 4), theirs)
	other := m.Tenant("theirs")
	key := func(id string) string { return testkit.Must(other.Parts(ctx, id))[0].ChunkID }
	dead, done := key("dead"), key("done")
	before := []any{testkit.Must(other.Reports(ctx, 0)), testkit.Must(other.Parts(ctx, "dead")), testkit.Must(other.Parts(ctx, "done")), number(t, m, "SELECT count(*) FROM blobs")}

	mine := m.Tenant("mine")
	notFound := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	calls := map[string]func(id string){
		"Report": func(id string) { _, err := mine.Report(ctx, id); notFound("Report", err) },
		"Reports": func(string) {
			if r, err := mine.Reports(ctx, 0); len(r) != 0 || err != nil {
				t.Errorf("Reports: %+v %v", r, err)
			}
		},
		"Parts": func(id string) {
			if p, err := mine.Parts(ctx, id); len(p) != 0 || err != nil {
				t.Errorf("Parts: %+v %v", p, err)
			}
		},
		"DeleteChunkData": func(string) {
			notFound("DeleteChunkData", mine.DeleteChunkData(ctx, dead))
			notFound("DeleteChunkData", mine.DeleteChunkData(ctx, done))
		},
		"DeleteReportChunks": func(id string) { _, err := mine.DeleteReportChunks(ctx, id); notFound("DeleteReportChunks", err) },
		"RetryDead":          func(id string) { _, err := mine.RetryDead(ctx, id); notFound("RetryDead", err) },
		"Drop":               func(id string) { _, err := mine.Drop(ctx, id); notFound("Drop", err) },
		"Export":             func(id string) { _, err := mine.Export(ctx, id, io.Discard); notFound("Export", err) },
		"Usage": func(string) {
			if u := mine.Usage(); u != (Usage{}) {
				t.Errorf("Usage: %+v", u)
			}
		},
		"CleanupToSize": func(string) {
			if n, err := mine.CleanupToSize(ctx, 0); n != 0 || err != nil {
				t.Errorf("CleanupToSize: %d %v", n, err)
			}
		},
	}
	door := reflect.TypeFor[*Storage]()
	for i := range door.NumMethod() {
		if calls[door.Method(i).Name] == nil {
			t.Errorf("no test of Storage.%s", door.Method(i).Name)
		}
	}
	for _, call := range calls {
		for _, id := range []string{"dead", "done", "waiting"} {
			call(id)
		}
	}
	after := []any{testkit.Must(other.Reports(ctx, 0)), testkit.Must(other.Parts(ctx, "dead")), testkit.Must(other.Parts(ctx, "done")), number(t, m, "SELECT count(*) FROM blobs")}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("the other tenant's reports have changed:\n%+v\n%+v", before, after)
	}

	// The same IDs of my own are reports of their own, and go without theirs.
	for _, id := range []string{"dead", "done", "waiting"} {
		submit(t, m, testReport(id, 4), part.Envelope{TenantID: "mine"})
		if n, err := mine.Drop(ctx, id); n != 1 || err != nil {
			t.Errorf("Drop of my own: %d %v", n, err)
		}
	}
	if got := testkit.Must(m.Tenants(ctx)); !slices.Equal(got, []string{"theirs"}) {
		t.Errorf("tenants %q", got)
	}
	if parts := drain(t, m); len(parts) != 2 {
		t.Errorf("%d of 2 parts of the waiting report", len(parts))
	}
}

func TestReportsAreListedByState(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("a", 1))
	drain(t, m)
	submit(t, m, testReport("b", 1))
	submit(t, m, testReport("c", 1))
	s := m.Storage()
	for _, c := range []struct {
		limit  int
		states []State
		want   int
	}{{0, nil, 3}, {2, nil, 2}, {0, []State{StatePending}, 2}, {0, []State{StateFailed}, 0}, {0, []State{StatePending, StateCompleted}, 3}} {
		if got, err := s.Reports(t.Context(), c.limit, c.states...); err != nil || len(got) != c.want {
			t.Errorf("limit %d, states %v: %d reports, %v", c.limit, c.states, len(got), err)
		}
	}
	if _, err := s.Reports(t.Context(), 0, "lost"); err == nil {
		t.Error("an unknown state is accepted")
	}
	drain(t, m)
}

func FuzzChunkID(f *testing.F) {
	f.Add("r.0011223344556677.0")
	f.Add("r.0011223344556677.-1")
	f.Add("r..")
	f.Add("a.b.c.d")
	m := open(f, split)
	submit(f, m, testReport("r", 4))
	f.Fuzz(func(t *testing.T, id string) {
		reportID, content, index, err := part.ParseKey(id)
		if err == nil && (report.CheckID("id", reportID) != nil || len(content) != 8 || index < 0) {
			t.Errorf("%q gives %q %x %d", id, reportID, content, index)
		}
		if err := m.Storage().DeleteChunkData(t.Context(), id); err == nil {
			t.Errorf("%q deletes something", id)
		}
	})
}
