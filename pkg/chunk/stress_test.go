package chunk

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// Submitters, uploaders, droppers and retriers at once: the counts hold at every moment and agree with the file.
func TestCountsHoldUnderStress(t *testing.T) {
	cfg := split
	cfg.MaxConcurrentUploads = 6
	m := open(t, cfg)
	ctx := t.Context()
	const submitters, each = 4, 60
	var submitting, rest sync.WaitGroup
	stop := make(chan struct{})
	for g := range submitters {
		submitting.Go(func() {
			for i := range each {
				submit(t, m, testReport(fmt.Sprintf("r%d-%d", g, i%40), 1+i%7), part.Envelope{Priority: i % 3, TenantID: fmt.Sprint("t", g%2)})
			}
		})
	}
	background := func(f func(n int)) {
		rest.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					f(n)
				}
			}
		})
	}
	expected := func(err error) {
		if err != nil && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	for g := range 3 {
		background(func(n int) {
			p, _, err := m.Next(ctx)
			expected(err)
			if p == nil {
				time.Sleep(time.Millisecond)
				return
			}
			kind := []part.OutcomeKind{part.Uploaded, part.Uploaded, part.Uploaded, part.Retry, part.Dead, part.Released}[(n+g)%6]
			prog, err := m.Settle(ctx, p, part.Outcome{Kind: kind, Due: time.Now(), Err: errors.New("stress")})
			expected(err)
			if prog.Done+prog.Dead > prog.Total {
				t.Errorf("Settle = %+v, want Done+Dead <= Total", prog)
			}
		})
	}
	background(func(n int) {
		s := m.Tenant(fmt.Sprint("t", n%2))
		id := fmt.Sprintf("r%d-%d", n%submitters, n%40)
		if n%3 == 0 {
			_, err := s.Drop(ctx, id)
			expected(err)
		} else {
			_, err := s.RetryDead(ctx, id)
			expected(err)
		}
	})
	background(func(int) {
		if c := m.Counts(); c.Submitted+c.Recovered != c.Completed+c.Failed+c.Dropped+c.InProgress+c.Queued ||
			slices.Min([]int64{c.Submitted, c.Recovered, c.Completed, c.Failed, c.Dropped, c.InProgress, c.Queued, c.Parts, c.Bytes}) < 0 || c.InProgress > 6 {
			t.Errorf("%+v", c)
		}
		time.Sleep(100 * time.Microsecond)
	})
	submitting.Wait()
	close(stop)
	rest.Wait()
	checkStore(t, m)
	drain(t, m)
	if c := m.Counts(); c.Queued+c.InProgress+c.Parts+c.Bytes != 0 {
		t.Errorf("after the drain: %+v", c)
	}
}
