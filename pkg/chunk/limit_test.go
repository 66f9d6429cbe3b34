package chunk

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
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
				most = max(most, m.db.fileBytes())
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
