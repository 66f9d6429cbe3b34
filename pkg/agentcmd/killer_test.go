package agentcmd

import (
	"os"

	"github.com/rediverio/sdk/pkg/event"
)

// killAt names an event type. An agent with it in its environment kills itself, as a power cut would, at such an event.
const killAt = "E2E_KILL_AT"

// killer returns a Sink that kills the process at an event of the type.
func killer(at string) event.Sink {
	return event.SinkFunc(func(e event.Event) {
		if string(e.Type) != at {
			return
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil || self.Kill() != nil {
			os.Exit(99)
		}
		select {} // until the signal is delivered
	})
}
