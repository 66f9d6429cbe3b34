package watch_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/watch"
)

// What would be ended on this host, without ending anything?
func ExampleWatcher_Once_whatWouldBeEnded() {
	w, err := watch.New(watch.Config{
		Rules: []watch.Rule{{Name: "test runners", Pattern: "vitest|jest", HardMemoryBytes: 8 << 30}},
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return // this is not Linux
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	look, err := w.Once(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range look.Findings {
		fmt.Println(f.PID, f.Name, f.Rule, f.Reason, f.Action) // 4711 node test runners memory would stop
	}
}

// How do I keep a cache under a gigabyte, for as long as my program runs?
func ExampleWatcher_Run_keepACacheSmall() {
	w, err := watch.New(watch.Config{
		Enforce: true,
		Dirs:    []watch.Dir{{Path: "/var/cache/my-scanner", MaxBytes: 1 << 30, Entries: true}},
		Sink:    event.SinkFunc(func(e event.Event) { fmt.Println(e.Message, e.Details["bytes_freed"]) }),
	})
	if err != nil {
		return // this is not Linux
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond) // your program's life
	defer cancel()
	w.Run(ctx)
	fmt.Println(w.Status().Freed, "bytes freed")
}
