package crashtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// diskBytes is the size of the small disk.
const diskBytes = 16 << 20

// A disk that is really full: reports are refused with ErrStorageFull, accepted ones are delivered and their
// space is freed, and then reports are accepted again.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, diskBytes)
	if dir == "" {
		return
	}
	for _, by := range []string{"reports", "another program"} {
		t.Run("by "+by, func(t *testing.T) {
			d := newFullDisk(t, filepath.Join(dir, strings.ReplaceAll(by, " ", "-")))
			if by == "reports" {
				d.fill()
			} else {
				d.submit(10)
				occupy(t, d.junk)
			}
			d.refuses()
			d.restart() // the store opens
			d.refuses()
			d.drops()
			d.deliver()
			d.free()
			d.takesAgain()
			d.deliver()
			d.close()
		})
	}
}

// fullDisk is an agent's store on a small disk.
type fullDisk struct {
	t    *testing.T
	dir  string
	junk string
	m    *chunk.Manager
	srv  *ingesttest.Server // its store is on another disk

	accepted map[string]bool
	n        int // submissions
}

func newFullDisk(t *testing.T, dir string) *fullDisk {
	d := &fullDisk{t: t, dir: dir, junk: filepath.Join(dir, "junk"), srv: ingesttest.New(t), accepted: map[string]bool{}}
	t.Cleanup(func() {
		_ = d.m.Close() // closed already, where all went well
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.open()
	return d
}

func (d *fullDisk) open() {
	d.t.Helper()
	m, err := chunk.NewManager(&chunk.Config{
		DatabasePath: filepath.Join(d.dir, "chunks.db"), MaxStorageMB: -1, UploadDelayMs: -1, AutoCleanupOnUpload: true, CleanupOnReportComplete: true,
		MinFindingsForChunking: minFindings, MaxFindingsPerChunk: maxFindings,
		Sink: event.SinkFunc(func(e event.Event) {
			if e.Severity == event.Critical {
				d.t.Errorf("%s: %s", e.Message, e.Error)
			}
		}),
	})
	if err != nil {
		d.t.Fatalf("open the store: %v", err)
	}
	d.m = m
}

// submitOne hands in a report of some 200 KB that does not compress.
func (d *fullDisk) submitOne() (id string, err error) {
	d.n++
	n := name{id: fmt.Sprintf("r%d", d.n)}
	r := n.head()
	r.Assets = []*report.Asset{n.asset()}
	for i := range 8 {
		r.Findings = append(r.Findings, n.finding(0, i, 25<<10))
	}
	_, err = d.m.SubmitReport(context.Background(), r)
	return n.id, err
}

func (d *fullDisk) submit(reports int) {
	d.t.Helper()
	for range reports {
		id, err := d.submitOne()
		if err != nil {
			d.t.Fatalf("submit %s: %v", id, err)
		}
		d.accepted[id] = true
	}
}

// fill submits until the disk takes no more.
func (d *fullDisk) fill() {
	d.t.Helper()
	for range 2 * diskBytes / (200 << 10) {
		id, err := d.submitOne()
		if err != nil {
			d.t.Logf("after %d reports: %v", len(d.accepted), err)
			return
		}
		d.accepted[id] = true
	}
	d.t.Fatal("the disk takes more than it has")
}

// free releases the space that occupy took.
func (d *fullDisk) free() {
	if err := os.RemoveAll(d.junk); err != nil {
		d.t.Fatal(err)
	}
}

// refuses submits reports that are refused, and makes every call that needs no space.
func (d *fullDisk) refuses() {
	d.t.Helper()
	for range 3 {
		id, err := d.submitOne()
		if err == nil {
			d.accepted[id] = true // a few pages were free
			continue
		}
		if !saysFull(err) {
			d.t.Errorf("the refusal does not say that the disk is full: %v", err)
		}
	}
	list, err := d.m.Storage().Reports(context.Background(), 0)
	if err != nil || len(list) != len(d.accepted) {
		d.t.Errorf("%d reports are listed of %d accepted: %v", len(list), len(d.accepted), err)
	}
	s, err := d.m.Stats(context.Background())
	if err != nil || s.Queued != int64(len(d.accepted)) {
		d.t.Errorf("%d accepted, %+v, %v", len(d.accepted), s, err)
	}
}

func saysFull(err error) bool {
	return errors.Is(err, chunk.ErrStorageFull) || errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "disk is full")
}

// drops deletes a report on the full disk, as an operator may to help himself.
func (d *fullDisk) drops() {
	d.t.Helper()
	for id := range d.accepted {
		if n, err := d.m.Storage().Drop(context.Background(), id); n != 1 || err != nil {
			d.t.Fatalf("drop %s: %d, %v", id, n, err)
		}
		delete(d.accepted, id)
		return
	}
}

func (d *fullDisk) restart() {
	d.t.Helper()
	if err := d.m.Close(); err != nil {
		d.t.Errorf("close: %v", err)
	}
	d.open()
}

// deliver uploads everything, however little space is free, and frees the space.
func (d *fullDisk) deliver() {
	d.t.Helper()
	p := pipeline.NewPipeline(&pipeline.PipelineConfig{Spool: d.m, RetryDelay: 10 * time.Millisecond, MaxRetryDelay: 50 * time.Millisecond}, d.srv.Client())
	if err := p.Start(context.Background()); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		d.t.Fatalf("drain: %v: %+v", err, p.GetStats())
	}
	if err := p.Stop(ctx); err != nil {
		d.t.Error(err)
	}
	if c := d.m.Counts(); c.Parts+c.Bytes+c.Queued+c.Failed != 0 {
		d.t.Errorf("after the drain: %+v", c)
	}
	got := map[string]int{}
	for _, f := range d.srv.Findings("") {
		got[f.ReportID]++
	}
	for id := range d.accepted {
		if got[id] != 8 {
			d.t.Errorf("report %s was accepted, %d of 8 findings arrived", id, got[id])
		}
	}
	d.small()
}

// small waits until the store has given its space back.
func (d *fullDisk) small() {
	d.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var n int64
		for _, suffix := range []string{"", "-wal"} {
			if st, err := os.Stat(filepath.Join(d.dir, "chunks.db"+suffix)); err == nil { // a missing file takes nothing
				n += st.Size()
			}
		}
		if n < 2<<20 {
			return
		}
		if time.Now().After(end) {
			d.t.Fatalf("%d bytes on disk after everything was delivered", n)
		}
	}
}

func (d *fullDisk) takesAgain() {
	d.t.Helper()
	d.submit(10)
	if st, err := os.Stat(filepath.Join(d.dir, "chunks.db.reserve")); err != nil || st.Size() == 0 {
		d.t.Errorf("the reserve is not held back again: %v", err)
	}
}

// close ends it; the file must be sound.
func (d *fullDisk) close() {
	d.t.Helper()
	if err := d.m.Close(); err != nil {
		d.t.Error(err)
	}
	l := newLedger()
	if err := l.sound(filepath.Join(d.dir, "chunks.db")); err != nil {
		d.t.Error(err)
	}
	for _, v := range l.violations {
		d.t.Error(v)
	}
}
