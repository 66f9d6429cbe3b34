package agentcmd

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// step is what one more signal means.
type step struct {
	say string
	do  func()
}

// onSignals runs the next step at each SIGINT or SIGTERM, and says what it does. The function returned ends that.
func (a *cli) onSignals(steps ...step) (stop func()) {
	signals, done := make(chan os.Signal, len(steps)), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, s := range steps {
			select {
			case sig := <-signals:
				a.say("%v: %s", sig, s.say)
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
