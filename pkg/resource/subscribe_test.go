package resource

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSubscribeReceivesEachSampleUntilCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewController(&ControllerConfig{Sampler: &fakeHost{}, SampleInterval: time.Second})
		sampled, cancel := c.Subscribe()
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer c.Stop()
		for range 5 {
			<-sampled
		}
		time.Sleep(10 * time.Second) // samples that are not received are merged
		synctest.Wait()
		if len(sampled) != 1 {
			t.Errorf("%d values are pending after 10 samples, want 1", len(sampled))
		}
		<-sampled
		cancel()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(sampled) != 0 {
			t.Error("a value arrived after cancel, want none")
		}
	})
}
