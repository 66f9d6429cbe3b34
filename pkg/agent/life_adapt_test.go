package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// adaptedHost makes an adaptive controller lower its number of slots. It runs in a bubble because its windows are long.
func (l *life) adaptedHost() {
	l.t.Helper()
	synctest.Test(l.t, func(t *testing.T) {
		host := new(sdktest.Sampler)
		host.Set(sdktest.Load{CPU: 97})
		c := resource.NewController(&resource.ControllerConfig{
			AdaptiveConcurrency: true, MaxConcurrentJobs: 4, CPUWarning: -1, CPUThreshold: 96, Sampler: host, Sink: &l.events,
		})
		defer c.Stop()
		must(t, c.Start(t.Context()))
		time.Sleep(time.Minute)
	})
	if l.events.OfType(event.ConcurrencyChanged) == nil {
		l.t.Error("the number of slots did not change")
	}
}
