package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestCommandsInBothShapes(t *testing.T) {
	for body, want := range map[string]struct {
		n    int
		wait time.Duration
		ok   bool
	}{
		`[{"id":"1","type":"scan","priority":3},null,{"type":"no id"}]`:                        {1, 0, true},
		`{"commands":[{"id":"1","type":"scan","priority":"high"}],"poll_interval_seconds":30}`: {1, 30 * time.Second, true},
		`{"commands":[],"poll_interval_seconds":1e300}`:                                        {0, DefaultMaxRetryAfter, true},
		``: {0, 0, true}, `[]`: {0, 0, true}, ` [] `: {0, 0, true},
		`{"error":"x"}`: {}, `<html>`: {}, `7`: {}, `[{"id":7}]`: {},
	} {
		c := answering(t, ClientConfig{}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) })
		got, wait, err := c.PollCommands(t.Context(), 10)
		if (err == nil) != want.ok || len(got) != want.n || wait != want.wait {
			t.Errorf("%s: %+v, %s, %v", body, got, wait, err)
		}
		if e := new(Error); err != nil && (!errors.As(err, &e) || !e.Unavailable()) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
