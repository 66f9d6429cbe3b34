package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

// Submit, uploads with all kinds of answers, Flush and GetStats run concurrently, with either spool.
func TestNumbersAddUpUnderStress(t *testing.T) {
	for _, name := range []string{"memory", "durable"} {
		t.Run(name, func(t *testing.T) {
			cfg := PipelineConfig{Workers: 4, RetryDelay: time.Millisecond, MaxRetryDelay: 2 * time.Millisecond, Split: part.SplitConfig{MinFindings: 2, MaxFindings: 2}}
			if name == "durable" {
				cfg.Spool = store(t, chunk.Config{})
			}
			var submitted atomic.Int64
			e := newEnds(&cfg)
			cfg.OnSubmitted = func(*QueueItem) { submitted.Add(1) }
			var n atomic.Int64
			p := start(t, cfg, UploaderFunc(func(context.Context, *part.Part) (*Result, error) {
				switch n.Add(1) % 7 {
				case 0:
					return nil, errors.New("odd")
				case 1:
					return nil, &statusErr{permanent: true}
				case 2:
					panic("stress")
				}
				return nil, nil
			}))
			var submitting, watching sync.WaitGroup
			over := make(chan struct{})
			watching.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
						s := p.GetStats()
						if s.Submitted+s.Recovered != s.Completed+s.Failed+s.Dropped+s.InProgress+s.QueueLength || s.QueueLength < 0 || s.QueueParts < 0 || s.TotalBytes < 0 || s.InProgress > 4 {
							t.Errorf("%+v", s)
							return
						}
						time.Sleep(50 * time.Microsecond)
					}
				}
			})
			for g := range 4 {
				submitting.Go(func() {
					for i := range 60 {
						if _, err := p.Submit(testReport(fmt.Sprintf("r%d-%d", g, i), 1+i%6), WithPriority(i%3)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			submitting.Wait()
			flush(t, p)
			stop(t, p)
			close(over)
			watching.Wait()
			e.once(t)
			s := p.GetStats()
			completed, failed := e.counts()
			if completed+failed != 240 || submitted.Load() != 240 || s.Completed != int64(completed) || s.Failed != int64(failed) || s.QueueParts+s.TotalBytes != 0 {
				t.Errorf("%d completed, %d failed, %d submitted, %+v", completed, failed, submitted.Load(), s)
			}
			if s.Attempts != s.PartsUploaded+s.Retries+s.PartsDead {
				t.Errorf("GetStats() = %+v, want attempts that add up", s)
			}
		})
	}
}
