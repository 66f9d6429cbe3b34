package sarif

import (
	"encoding/json"
	"testing"
)

func TestCanonicalFingerprints(t *testing.T) {
	for raw, want := range map[string]string{
		`"abc"`: "abc", `""`: "", `{"b":1,"a":2}`: `{"a":2,"b":1}`, `[1, 2]`: "[1,2]", `12`: "12",
	} {
		if got := canonical(json.RawMessage(raw)); got != want {
			t.Errorf("%s gives %q, want %q", raw, got, want)
		}
	}
}
