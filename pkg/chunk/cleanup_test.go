package chunk

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

func TestDataIsFreedWithTheReceipt(t *testing.T) {
	cfg := split
	cfg.CleanupOnReportComplete = false
	m := open(t, cfg)
	submit(t, m, testReport("r", 6))
	settle(t, m, next(t, m), uploaded)
	if n := number(t, m, "SELECT count(*) FROM blobs"); n != 2 {
		t.Fatalf("%d blobs after one of three parts", n)
	}
	drain(t, m)
	if n := number(t, m, "SELECT count(*) FROM blobs"); n != 0 {
		t.Fatalf("%d blobs after all parts", n)
	}
	if parts := testkit.Must(m.Storage().Parts(t.Context(), "r")); len(parts) != 3 || parts[2].State != "uploaded" || parts[2].Bytes == 0 {
		t.Errorf("Parts = %+v", parts)
	}
}

func TestPartsAreRemovedWithTheirReport(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 6))
	drain(t, m)
	if n := number(t, m, "SELECT count(*) FROM parts"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	r := testkit.Must(m.Storage().Report(t.Context(), "r"))
	if len(r) != 1 || r[0].State != StateCompleted || r[0].Findings != 6 || r[0].Uploaded != 3 || r[0].Finished == nil {
		t.Errorf("report = %+v, want len(r) == 1 and r[0].State == StateCompleted and r[0].Findings == 6 and r[0].Uploaded == 3 and r[0].Finished != nil", r)
	}
}

func TestNothingIsRemovedUnlessConfigured(t *testing.T) {
	m := open(t, Config{MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, MaxConcurrentUploads: 9})
	ctx, s := t.Context(), m.Storage()
	submit(t, m, testReport("r", 6))
	id := testkit.Must(s.Parts(ctx, "r"))[0].ChunkID
	if err := s.DeleteChunkData(ctx, id); !errors.Is(err, ErrNotUploaded) {
		t.Errorf("data not uploaded: %v", err)
	}
	if _, err := s.DeleteReportChunks(ctx, "r"); !errors.Is(err, ErrNotUploaded) {
		t.Errorf("report not uploaded: %v", err)
	}
	drain(t, m)
	if n := number(t, m, "SELECT count(*) FROM blobs"); n != 3 {
		t.Fatalf("%d of 3 blobs are kept", n)
	}
	for range 2 {
		if err := s.DeleteChunkData(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, m, "SELECT count(*) FROM blobs"); n != 2 {
		t.Fatalf("%d blobs", n)
	}
	if n, err := s.DeleteReportChunks(ctx, "r"); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := s.DeleteReportChunks(ctx, "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such report: %v", err)
	}
}

func TestChunksOfAnOpenRevisionAreNotDeleted(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("r", 1))
	drain(t, m)
	w := stream(t, m, "r", 4)
	if _, err := m.Storage().DeleteReportChunks(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := titles(t, drain(t, m)); len(got) != 16 {
		t.Fatalf("%d of 16 findings uploaded", len(got))
	}
}

func TestFileShrinksAfterTheDrain(t *testing.T) {
	m := open(t, Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true})
	for i := range 5 {
		submit(t, m, bulky(fmt.Sprint("r", i), 2))
	}
	full := testkit.Must(m.Stats(t.Context())).FileBytes
	if full < 10<<20 {
		t.Fatalf("%d bytes on disk: the test shows nothing", full)
	}
	drain(t, m)
	testkit.Eventually(t, "file is small", func() bool { return m.db.FileBytes() < 1<<20+reserveBytes })
	if s := testkit.Must(m.Stats(t.Context())); s.Reclaimed < 8<<20 {
		t.Errorf("Stats.Reclaimed = %d, want at least 8 MiB: %+v", s.Reclaimed, s)
	}
}

func TestAgeRemovesFinishedReports(t *testing.T) {
	rec := &testkit.Recorder{}
	cfg := split
	cfg.RetentionHours, cfg.DeadRetentionHours, cfg.Sink = 2, 5, rec
	m := open(t, cfg)
	submit(t, m, testReport("dead", 1))
	settle(t, m, next(t, m), part.Outcome{Kind: part.Dead, Err: errors.New("no")})
	submit(t, m, testReport("done", 1))
	drain(t, m)
	submit(t, m, testReport("waiting", 1))
	for _, step := range []struct {
		hours   float64
		removed int64
		left    string
	}{{1.9, 0, "dead done waiting"}, {2.1, 1, "dead waiting"}, {4.9, 0, "dead waiting"}, {5.1, 1, "waiting"}, {1e5, 0, "waiting"}} {
		n, err := m.cleanUpAge(t.Context(), time.Now().Add(time.Duration(step.hours*float64(time.Hour))))
		if err != nil || n != step.removed {
			t.Errorf("after %v h: %d removed, %v", step.hours, n, err)
		}
		var left []string
		for _, r := range testkit.Must(m.Storage().Reports(t.Context(), 0)) {
			left = append(left, r.ReportID)
		}
		if strings.Join(left, " ") != step.left {
			t.Errorf("after %v h: %v are left, want %s", step.hours, left, step.left)
		}
	}
	if e := rec.Events(event.ChunkCleanup); len(e) != 3 || e[0].Details["reason"] != byUpload || e[1].Details["reason"] != byAge || e[2].Details["reason"] != byAge {
		t.Errorf("event = %+v, want len(e) == 3 and e[0].Details[\"reason\"] == byUpload and e[1].Details[\"reason\"] == byAge and e[2].Details[\"reason\"] == byAge", e)
	}
}

func TestRetentionWithoutLimit(t *testing.T) {
	cfg := split
	cfg.RetentionHours, cfg.DeadRetentionHours = -1, -1
	m := open(t, cfg)
	submit(t, m, testReport("done", 1))
	drain(t, m)
	if n, err := m.cleanUpAge(t.Context(), time.Now().AddDate(100, 0, 0)); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

func TestCleanerRunsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := split
		cfg.RetentionHours, cfg.CleanupIntervalMinutes = 1, 15
		m := open(t, cfg)
		submit(t, m, testReport("r", 1))
		drain(t, m)
		time.Sleep(59 * time.Minute)
		if r := testkit.Must(m.Storage().Reports(t.Context(), 0)); len(r) != 1 {
			t.Fatal("removed before its retention")
		}
		time.Sleep(17 * time.Minute)
		synctest.Wait()
		if r := testkit.Must(m.Storage().Reports(t.Context(), 0)); len(r) != 0 {
			t.Fatal("kept after its retention and an interval")
		}
	})
}

func TestExpiredReportsAreRemovedAtStart(t *testing.T) {
	cfg := split
	m := open(t, cfg)
	submit(t, m, testReport("r", 1))
	drain(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, m.db.Path, "UPDATE reports SET finished = 1")
	cfg.DatabasePath = m.db.Path
	m = open(t, cfg)
	testkit.Eventually(t, "report removed", func() bool { return number(t, m, "SELECT count(*) FROM reports") == 0 })
}

func TestCleanupToSizeRemovesTheOldestFinished(t *testing.T) {
	m := open(t, Config{}) // nothing is removed by itself
	for i := range 4 {
		submit(t, m, bulky(fmt.Sprint("done", i), 1))
		drain(t, m)
		time.Sleep(2 * time.Millisecond) // the order of ending is kept in milliseconds
	}
	submit(t, m, bulky("waiting", 1))
	used := testkit.Must(m.Stats(t.Context())).UsedBytes
	n, err := m.Storage().CleanupToSize(t.Context(), used*7/10)
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	var left []string
	for _, r := range testkit.Must(m.Storage().Reports(t.Context(), 0)) {
		left = append(left, r.ReportID)
	}
	if strings.Join(left, " ") != "done2 done3 waiting" {
		t.Errorf("%v are left", left)
	}
	if size := m.db.FileBytes() - reserveBytes; size > used*8/10 {
		t.Errorf("%d bytes on disk, of %d before", size, used)
	}
	if n, err := m.Storage().CleanupToSize(t.Context(), 0); n != 2 || err != nil {
		t.Error(n, err)
	}
	if got := titles(t, drain(t, m)); len(got) != 4 {
		t.Errorf("the waiting report has %d of 4 findings", len(got))
	}
}

// onDisk fails when the store is larger than its limit and one report.
func onDisk(t *testing.T, m *Manager, oneReport int64) {
	t.Helper()
	if size, bound := m.db.FileBytes(), m.cfg.maxBytes()+oneReport; size > bound {
		t.Fatalf("%d bytes on disk, the bound is %d", size, bound)
	}
}

func TestFullStoreRefusesAndLosesNothing(t *testing.T) {
	m := open(t, Config{MaxStorageMB: 8, AggressiveCleanup: true, AutoCleanupOnUpload: true, CleanupOnReportComplete: true})
	accepted := 0
	for ; accepted < 20; accepted++ {
		_, err := m.SubmitReport(t.Context(), bulky(fmt.Sprint("r", accepted), 1))
		onDisk(t, m, 1<<20)
		if err == nil {
			continue
		}
		var full *StorageFullError
		if !errors.Is(err, ErrStorageFull) || !errors.As(err, &full) || full.Max != 8<<20 || full.Needed < 1<<20 || full.Used < 3<<20 {
			t.Fatalf("%v: %+v", err, full)
		}
		break
	}
	if accepted < 3 || accepted > 8 {
		t.Fatalf("%d reports of 1 MiB fit under 8 MiB", accepted)
	}
	if got := titles(t, drain(t, m)); len(got) != accepted*4 {
		t.Fatalf("%d of %d findings uploaded", len(got), accepted*4)
	}
	submit(t, m, bulky("again", 1)) // there is room again at once
	drain(t, m)
}

func TestFinishedReportsAreRemovedForNewOnes(t *testing.T) {
	m := open(t, Config{MaxStorageMB: 8, AggressiveCleanup: true}) // data is kept until room is needed
	for i := range 12 {
		submit(t, m, bulky(fmt.Sprint("r", i), 1))
		drain(t, m)
		onDisk(t, m, 1<<20)
	}
	left := testkit.Must(m.Storage().Reports(t.Context(), 0))
	if len(left) == 0 || left[len(left)-1].ReportID != "r11" || left[0].ReportID == "r0" {
		t.Fatalf("%d left, first %v", len(left), left)
	}
	if _, err := m.SubmitReport(t.Context(), bulky("huge", 9)); !errors.Is(err, ErrStorageFull) {
		t.Fatalf("9 MiB under 8: %v", err)
	}
	onDisk(t, m, 9<<20)
	if c := m.Counts(); c.Completed != 12 || c.Dropped != 0 {
		t.Errorf("Counts = %+v, want Completed == 12, Dropped == 0", c)
	}
}

func TestUnsentReportsAreRemovedOnlyIfConfigured(t *testing.T) {
	rec := &testkit.Recorder{}
	m := open(t, Config{MaxStorageMB: 8, AggressiveCleanup: true, DropUnsent: true, Sink: rec})
	for i := range 12 {
		submit(t, m, bulky(fmt.Sprint("r", i), 1))
		onDisk(t, m, 1<<20)
	}
	c := m.Counts()
	if c.Submitted != 12 || c.Dropped < 4 || c.Queued+c.Dropped != 12 {
		t.Fatalf("Counts = %+v, want Submitted == 12, Dropped >= 4, Queued+Dropped == 12", c)
	}
	left := testkit.Must(m.Storage().Reports(t.Context(), 0))
	if left[len(left)-1].ReportID != "r11" || left[0].ReportID != fmt.Sprint("r", c.Dropped) {
		t.Errorf("the oldest were to go, left are %s to %s", left[0].ReportID, left[len(left)-1].ReportID)
	}
	events := 0
	for _, e := range rec.Events(event.ChunkCleanup) {
		if e.Severity == event.Critical && e.Details["unsent"] == true {
			events++
		}
	}
	if events != int(c.Dropped) {
		t.Errorf("%d events of %d dropped reports", events, c.Dropped)
	}
	drain(t, m)
}

func TestWALStaysBounded(t *testing.T) {
	m := open(t, Config{MaxStorageMB: 16, AggressiveCleanup: true, AutoCleanupOnUpload: true, CleanupOnReportComplete: true})
	limit := walShare(16 << 20)
	for i := range 10 {
		submit(t, m, bulky(fmt.Sprint("r", i), 2))
		drain(t, m)
		if st, err := os.Stat(m.db.Path + "-wal"); err == nil && st.Size() > limit {
			t.Fatalf("WAL of %d bytes, the bound is %d", st.Size(), limit)
		}
	}
}

// A reader that stays open keeps the write-ahead log from shrinking. An event reports it, changes continue, and the log shrinks after
// the reader is closed.
func TestLongReaderIsReportedAndBlocksNoChange(t *testing.T) {
	rec := &testkit.Recorder{}
	m := open(t, Config{MaxStorageMB: 128, AutoCleanupOnUpload: true, CleanupOnReportComplete: true, Sink: rec})
	submit(t, m, testReport("first", 1))
	rows, err := m.db.Read.Query("SELECT rid FROM reports UNION ALL SELECT pid FROM parts")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	for i := range 12 {
		submit(t, m, bulky(fmt.Sprint("r", i), 2))
	}
	warnings := rec.Events(event.ResourceWarning)
	if len(warnings) == 0 || len(warnings) > 4 || warnings[0].Details["value"].(int64) <= walShare(128<<20) {
		t.Fatalf("%d warnings: %+v", len(warnings), warnings)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 4 { // the next try comes when the WAL has grown by a quarter more
		submit(t, m, bulky(fmt.Sprint("s", i), 2))
	}
	if st := testkit.Must(os.Stat(m.db.Path + "-wal")); st.Size() > walShare(128<<20) {
		t.Errorf("WAL of %d bytes after the reader has left", st.Size())
	}
	drain(t, m)
}
