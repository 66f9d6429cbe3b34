package agent

import (
	"context"

	"github.com/rediverio/sdk/pkg/scan"
)

// Scanner turns the target of a job into a report. *scan.Runner is the Scanner that runs external tools.
//
// A Scanner may also implement Coster, Container and event.SinkSetter. A Scanner that wraps another one implements
// Unwrapper, so that these are found in the wrapped one.
type Scanner interface {
	// Scan scans req.Target and writes the report to the writer that open returns. It opens at most one report, closes or
	// aborts it, and returns a result if and only if err is nil. An error with a method Temporary() bool that returns
	// true means that another attempt may succeed.
	//
	// Scan must stop everything it has started when ctx ends. context.Cause(ctx) is then scan.ErrShutdown,
	// job.ErrLeaseLost, job.ErrCanceled or ErrRevoked. It is called concurrently.
	Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error)
}

// Coster is implemented by a Scanner that knows what a scan needs. The agent starts a scan only when the host has that
// much to spare. Without it every scan is admitted with one slot and no memory, which Status.Warnings reports.
type Coster interface {
	Cost(scanner, target string) scan.Cost
}

// Container is implemented by a Scanner that knows how it contains the processes it starts.
type Container interface {
	Containment() scan.Contained
}

// Unwrapper is implemented by a Scanner that wraps another one.
type Unwrapper interface {
	Unwrap() Scanner
}

var (
	_ Scanner   = (*scan.Runner)(nil)
	_ Coster    = (*scan.Runner)(nil)
	_ Container = (*scan.Runner)(nil)
)

// find returns the first Scanner in the chain of s that implements T.
func find[T any](s Scanner) (found T, ok bool) {
	for s != nil {
		if found, ok = s.(T); ok {
			return found, true
		}
		w, wraps := s.(Unwrapper)
		if !wraps {
			break
		}
		s = w.Unwrap()
	}
	return found, false
}
