package job

import (
	"context"
	"time"
)

// Want says how much work an agent can take.
type Want struct {
	Max   int           // jobs at most: the free slots the agent holds for them
	Wait  time.Duration // how long Next may wait for the first one
	Kinds []string      // kinds the agent can do; empty: any
}

// Source hands out jobs.
//
// Next waits up to w.Wait and returns at most w.Max leased jobs; none means that there is nothing now. Jobs
// returned together with an error are leased and must be handled. io.EOF says that there will never be another
// job. With Max <= 0 it must return at once. Next is called by one goroutine at a time.
type Source interface {
	Next(ctx context.Context, w Want) ([]Job, error)
}
