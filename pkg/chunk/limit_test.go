package chunk

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
)

// Several large reports at one time: the disk holds MaxStorageMB and one report at most.
func TestLimitHoldsForReportsThatComeTogether(t *testing.T) {
	const limit = 16 << 20
	cfg := split
	cfg.MaxStorageMB, cfg.AggressiveCleanup = limit>>20, true
	m := open(t, cfg)
	each := 8
	if testing.Short() {
		each = 2
	}
	submit(t, m, bulky("one", 1))
	one := m.Counts().Bytes
	drain(t, m)
	var most int64
	stop := make(chan struct{})
	var background, submitting sync.WaitGroup
	background.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				most = max(most, m.db.FileBytes())
				runtime.Gosched()
			}
		}
	})
	background.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-m.Ready():
				drain(t, m)
			}
		}
	})
	for g := range 8 {
		submitting.Go(func() {
			for i := range each {
				if _, err := m.SubmitReport(context.Background(), bulky(fmt.Sprintf("r%d-%d", g, i), 1)); err != nil && !errors.Is(err, ErrStorageFull) {
					t.Error(err)
				}
			}
		})
	}
	submitting.Wait()
	close(stop)
	background.Wait()
	if most > limit+one {
		t.Errorf("%d bytes on disk, the limit and one report are %d", most, limit+one)
	}
	drain(t, m)
}

// Reports removed for a report that is refused nevertheless stay removed: otherwise each refused report would remove all of them
// again, while other changes wait.
func TestRefusedReportsRemoveNothingTwice(t *testing.T) {
	cfg := split
	cfg.AggressiveCleanup, cfg.MaxStorageMB = true, 16
	m := open(t, cfg)
	execute(t, m, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO reports (rid, tenant, id, rev, job, tool, priority, state, content, parts, done, stamp, created, finished)
		SELECT i + 1000, '', 'done' || i, 1, '', '', 0, 2, randomblob(32), 1, 1, 0, 0, 1e15 + i FROM n`, 3*cleanupBatch))
	var err error
	for i := 0; err == nil && i < 16; i++ {
		_, err = m.Put(t.Context(), bulky(fmt.Sprint("r", i), 1), part.Envelope{})
	}
	var full *StorageFullError
	if !errors.As(err, &full) {
		t.Fatal(err)
	}
	if n := number(t, m, "SELECT count(*) FROM reports WHERE state = 2"); n != 0 {
		t.Errorf("%d completed reports are left for the next to remove", n)
	}
	drain(t, m)
}
