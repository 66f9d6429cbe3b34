package job

import (
	"context"
	"time"
)

// Want describes the jobs that an agent asks its Source for.
type Want struct {
	// Max is the maximum number of jobs, which is the number of free slots that the agent holds for them.
	Max int
	// Wait is the maximum time to wait for the first job.
	Wait time.Duration
	// Kinds lists the kinds of jobs that the agent can run. If empty, it can run any.
	Kinds []string
}

// Source delivers jobs to an agent.
type Source interface {
	// Next waits up to w.Wait for jobs and returns at most w.Max of them, leased. Without jobs and error, there are none
	// at present. Jobs that are returned together with an error are leased and must be handled. The error io.EOF, itself
	// and not wrapped, means that there will be no more jobs except those that are returned with Nak. If w.Max is not
	// positive, Next returns at once. It is called by one goroutine at a time.
	Next(ctx context.Context, w Want) ([]Job, error)
}
