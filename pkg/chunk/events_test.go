package chunk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// reasons returns the reasons of the clean-ups recorded, after it has checked what each of them must say.
func reasons(t *testing.T, rec *testkit.Recorder) (all []string) {
	t.Helper()
	for _, e := range rec.Events(event.ChunkCleanup) {
		reason, _ := e.Details["reason"].(string)
		unsent, _ := e.Details["unsent"].(bool)
		want := event.Severity("")
		switch {
		case reason == byUpload:
			want = event.Debug
		case unsent && reason == byOperator:
			want = event.Warn
		case unsent && reason != byRepeat:
			want = event.Critical
		}
		whose := e.TenantID == "acme" && e.JobID == "job" && e.ReportID != ""
		if several := reason == byAge && !unsent; whose == several || e.Message == "" || e.Severity != want {
			t.Errorf("event = %+v, want whose != several and e.Message != \"\" and e.Severity == want", e)
		}
		all = append(all, reason)
	}
	return all
}

// Every removal of stored data is recorded with its reason, tenant and size: the sum of the events is what was stored.
func TestCleanupReportsReasonAndBytes(t *testing.T) {
	dead := part.Outcome{Kind: part.Dead, Err: errors.New("no")}
	all := func(o part.Outcome) func(*testing.T, *Manager) {
		return func(t *testing.T, m *Manager) {
			for p := next(t, m); p != nil; p = next(t, m) {
				settle(t, m, p, o)
			}
		}
	}
	old := func(t *testing.T, m *Manager) {
		if _, err := m.cleanUpAge(t.Context(), time.Now().AddDate(1, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	storage := func(f func(context.Context, *Storage) error) func(*testing.T, *Manager) {
		return func(t *testing.T, m *Manager) {
			if err := f(t.Context(), m.Tenant("acme")); err != nil {
				t.Fatal(err)
			}
		}
	}
	drop := storage(func(ctx context.Context, s *Storage) error { _, err := s.Drop(ctx, "r"); return err })
	chunks := storage(func(ctx context.Context, s *Storage) error { _, err := s.DeleteReportChunks(ctx, "r"); return err })
	first := storage(func(ctx context.Context, s *Storage) error {
		parts, err := s.Parts(ctx, "r")
		if err == nil {
			err = s.DeleteChunkData(ctx, parts[0].ChunkID)
		}
		return err
	})
	size := storage(func(ctx context.Context, s *Storage) error { _, err := s.CleanupToSize(ctx, 0); return err })
	again := func(t *testing.T, m *Manager) {
		submit(t, m, testReport("r", 4), part.Envelope{TenantID: "acme", JobID: "job"})
	}

	keep := Config{MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, MaxConcurrentUploads: 100}
	complete := keep
	complete.CleanupOnReportComplete = true
	for _, tc := range []struct {
		name  string
		cfg   Config
		steps []func(*testing.T, *Manager)
		want  []string
	}{
		{"upload", split, []func(*testing.T, *Manager){all(uploaded)}, []string{byUpload, byUpload}},
		{"upload of the whole report", complete, []func(*testing.T, *Manager){all(uploaded)}, []string{byUpload}},
		{"age", keep, []func(*testing.T, *Manager){all(uploaded), old}, []string{byAge}},
		{"age of a dead letter", keep, []func(*testing.T, *Manager){all(dead), old}, []string{byAge}},
		{"operator, before the upload", keep, []func(*testing.T, *Manager){drop}, []string{byOperator}},
		{"operator, of a dead letter", keep, []func(*testing.T, *Manager){all(dead), drop}, []string{byOperator}},
		{"operator, part and report", keep, []func(*testing.T, *Manager){all(uploaded), first, first, chunks, chunks}, []string{byOperator, byOperator}},
		{"operator, dead part and report", keep, []func(*testing.T, *Manager){all(dead), first, chunks}, []string{byOperator, byOperator}},
		{"operator, to a size", keep, []func(*testing.T, *Manager){all(uploaded), size}, []string{byOperator}},
		{"repeat", keep, []func(*testing.T, *Manager){all(dead), first, again, drop}, []string{byOperator, byRepeat, byOperator}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := &testkit.Recorder{}
			tc.cfg.Sink = rec
			m := open(t, tc.cfg)
			again(t, m)
			for _, step := range tc.steps {
				step(t, m)
			}
			if got := reasons(t, rec); !slices.Equal(got, tc.want) {
				t.Errorf("removed by %v, want %v", got, tc.want)
			}
			balanced(t, rec)
		})
	}
}

// balanced fails where the clean-ups do not add up to what was stored.
func balanced(t *testing.T, rec *testkit.Recorder) {
	t.Helper()
	var stored, freed int64
	for _, e := range rec.Events(event.ChunkCreated) {
		stored += e.Details["bytes_stored"].(int64)
	}
	for _, e := range rec.Events(event.ChunkCleanup) {
		freed += e.Details["bytes_freed"].(int64)
	}
	if stored == 0 || freed != stored {
		t.Errorf("%d bytes stored, %d freed", stored, freed)
	}
}

func TestCleanupBySizeReportsReasonAndBytes(t *testing.T) {
	rec := &testkit.Recorder{}
	m := open(t, Config{MaxStorageMB: 8, AggressiveCleanup: true, DropUnsent: true, MaxConcurrentUploads: 100, Sink: rec})
	for i := range 12 {
		submit(t, m, bulky(fmt.Sprint("r", i), 1), part.Envelope{TenantID: "acme", JobID: "job"})
		if i == 1 {
			drain(t, m)
		}
	}
	var completed, unsent int
	for i, reason := range reasons(t, rec) {
		e := rec.Events(event.ChunkCleanup)[i]
		if reason != bySize || e.Details["bytes_freed"].(int64) < 1<<20 || e.Details["reports"] != int64(1) {
			t.Errorf("event = %+v, want reason == bySize and e.Details[\"bytes_freed\"].(int64) >= 1<<20 and e.Details[\"reports\"] == int64(1)", e)
		}
		if e.Details["unsent"] == true {
			unsent++
		} else {
			completed++
		}
	}
	if completed != 2 || unsent != int(m.Counts().Dropped) || unsent < 2 {
		t.Errorf("%d completed and %d unsent reports removed, %+v", completed, unsent, m.Counts())
	}
	for _, r := range testkit.Must(m.Tenant("acme").Reports(t.Context(), 0)) {
		if _, err := m.Tenant("acme").Drop(t.Context(), r.ReportID); err != nil {
			t.Fatal(err)
		}
	}
	balanced(t, rec)
}
