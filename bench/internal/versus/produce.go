package versus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rediverio/sdk/bench/internal/queue"
)

// Produce stores payloads for d, at least one from each producer, and returns how long each took.
func Produce(q queue.Queue, producers int, d time.Duration) (latencies []time.Duration, err error) {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	end := time.Now().Add(d)
	for range producers {
		all.Go(func() {
			var own []time.Duration
			var err error
			for begun := time.Now(); err == nil && (len(own) == 0 || begun.Before(end)); {
				if err = q.Put(context.Background()); err == nil {
					now := time.Now()
					own = append(own, now.Sub(begun))
					begun = now
				}
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return latencies, errors.Join(errs...)
}
