package proc

import (
	"context"
	"errors"
	"time"
)

// sizePoll is the time between looks at the sizes of files: a fast disk takes some 50 MB meanwhile.
const sizePoll = 50 * time.Millisecond

// watch returns why the child ended or has to.
func (c *child) watch(ctx context.Context, exited <-chan struct{}) Cause {
	var timeout <-chan time.Time
	if c.spec.Timeout > 0 {
		t := time.NewTimer(c.spec.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	tick := time.NewTicker(sizePoll)
	defer tick.Stop()
	for {
		select {
		case <-exited:
			if c.outputOver() {
				return Output
			}
			return Exit
		case <-ctx.Done():
			return causeOf(ctx)
		case <-timeout:
			return Timeout
		case <-tick.C:
			if cause := c.over(time.Now()); cause != "" {
				return cause
			}
		}
	}
}

func causeOf(ctx context.Context) Cause {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrShutdown):
		return Shutdown
	case errors.Is(cause, context.DeadlineExceeded):
		return Timeout
	}
	return Cancel
}
