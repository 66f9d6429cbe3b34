package event_test

import (
	"context"
	"fmt"

	"github.com/rediverio/sdk/pkg/event"
)

// How do I get told when a job fails, without slowing the agent down?
func ExampleBus_Subscribe() {
	bus, err := event.NewBus(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	unsubscribe := bus.Subscribe(func(_ context.Context, e event.Event) {
		fmt.Println(e.JobID, e.Error)
	}, event.JobFailed, event.JobTimeout)
	defer unsubscribe()
	bus.Start()

	// A Bus is a Sink: give it, alone or in event.Tee with an audit log, to whatever takes one.
	bus.Record(event.Event{Type: event.JobStarted, JobID: "job-1"})
	bus.Record(event.Event{Type: event.JobFailed, JobID: "job-1", Error: "scanner exited with 2"})

	if err := bus.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("lost:", bus.Stats().Dropped)
	// Output:
	// job-1 scanner exited with 2
	// lost: 0
}
