package agentcmd

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// step is the reaction to one more signal.
type step struct {
	text string
	do   func()
}

// onSignals takes the next step at each SIGINT or SIGTERM, and prints its text. The returned function ends that.
func (a *cli) onSignals(steps ...step) (stop func()) {
	signals, done := make(chan os.Signal, len(steps)), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, s := range steps {
			select {
			case sig := <-signals:
				a.say("%v: %s", sig, s.text)
				s.do()
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(done)
		wg.Wait()
	}
}

// untilSignal returns a context that the first signal cancels, after it has printed doing and called do. The second
// signal exits. The returned function releases both.
func (a *cli) untilSignal(ctx context.Context, doing string, do func()) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := a.onSignals(
		step{doing + ". Again to quit at once", func() { cancel(); do() }},
		step{"quit", func() { os.Exit(ExitRuntime) }},
	)
	return ctx, func() { stop(); cancel() }
}
