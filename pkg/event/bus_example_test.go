package event_test

import (
	"context"
	"fmt"

	"github.com/rediverio/sdk/pkg/event"
)

// How do I react to failed jobs without slowing the agent down?
func ExampleBus_Subscribe() {
	bus, err := event.NewBus(event.BusConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	unsubscribe := bus.Subscribe(func(_ context.Context, e event.Event) {
		fmt.Println(e.JobID, e.Error)
	}, event.JobFailed, event.JobTimeout)
	defer unsubscribe()
	if err := bus.Start(context.Background()); err != nil {
		fmt.Println(err)
	}

	// A Bus is a Sink. Config.Bus of an agent takes one; Agent.Subscribe subscribes to it.
	bus.Record(event.Event{Type: event.JobStarted, JobID: "job-1"})
	bus.Record(event.Event{Type: event.JobFailed, JobID: "job-1", Error: "scanner exited with 2"})

	if err := bus.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("dropped:", bus.Stats().Dropped)
	// Output:
	// job-1 scanner exited with 2
	// dropped: 0
}
