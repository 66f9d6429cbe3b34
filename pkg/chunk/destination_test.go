package chunk

import (
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
)

func TestAnotherDestinationGetsWhatTheFirstOneHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	deliver := func(destination string, want int) {
		t.Helper()
		m := open(t, Config{DatabasePath: path, Destination: destination})
		submit(t, m, testReport("r", 3))
		parts := drain(t, m)
		if len(parts) != want {
			t.Errorf("%s: %d parts, want %d", destination, len(parts), want)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	deliver("https://a.example", 1)
	deliver("https://a.example", 0)
	deliver("https://b.example", 1)
	deliver("https://b.example", 0)
}

func TestWaitingReportGoesToTheCurrentDestination(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	m := open(t, Config{DatabasePath: path, Destination: "https://a.example"})
	submit(t, m, testReport("r", 3))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, Config{DatabasePath: path, Destination: "https://b.example"})
	submit(t, m, testReport("r", 3))
	if c := m.Counts(); c.Recovered != 1 || c.Submitted != 0 {
		t.Errorf("%+v: the report waits already", c)
	}
	settle(t, m, next(t, m), part.Outcome{Kind: part.Uploaded})
	still(t, m)
}
