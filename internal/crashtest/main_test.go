package crashtest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	rounds = flag.Int("rounds", 0, "rounds of TestTorture; 0: a few")
	seed   = flag.Uint64("seed", 0, "seed of the first round, each further one has the next; 0: by chance")
)

// A child process is this binary with its orders, as JSON, in one of these.
const (
	victimEnv = "CRASHTEST_VICTIM"
	serverEnv = "CRASHTEST_SERVER"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(victimEnv); text != "" {
		live(orders[life](text))
		os.Exit(0)
	}
	os.Exit(m.Run()) // a server runs as TestServerProcess, for ingesttest wants a test
}

// orders reads what a child is to do.
func orders[T any](text string) (o T) {
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err) // the parent wrote it
	}
	return o
}

// tell writes one line that the parent reads even when this process is dead a moment later.
func tell(format string, args ...any) {
	_, _ = os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n") // a parent that is gone needs no word
}
