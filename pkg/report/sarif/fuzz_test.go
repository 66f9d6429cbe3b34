package sarif

import (
	"bytes"
	"testing"
)

// FuzzFile reads any input. It must not crash, the numbers must add up, the findings must be valid (see check), and a file
// that encoding/json decodes must have the same number of results.
func FuzzFile(f *testing.F) {
	for _, b := range smallFiles(f) {
		f.Add(b)
		f.Add(b[:len(b)*7/10])
	}
	f.Add([]byte(file("{\x01}", "{}", "1 2", "[", "{}")))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sum, got, err := check(t, b, Options{Root: "/repo", Limits: Limits{MaxResultBytes: 4 << 10, MaxDepth: 20, MaxMessageBytes: 100}})
		if err != nil {
			return
		}
		for _, fd := range got {
			if len(fd.Title) > maxTitle || len(fd.Message) > 100 || fd.Title == "" {
				t.Errorf("title of %d bytes, message of %d", len(fd.Title), len(fd.Message))
			}
		}
		want, ok := fullCount(b)
		if ok && !bytes.Contains(bytes.ToLower(b), []byte(`u00`)) && sum.Results != want && len(sum.Warnings) == 0 && plainKeys(b) {
			t.Errorf("%d results, a full decode counts %d", sum.Results, want)
		}
	})
}

// plainKeys reports whether encoding/json and this package find the same members "runs" and "results": encoding/json
// ignores case, and a repeated member replaces the first one.
func plainKeys(b []byte) bool {
	lower := bytes.ToLower(b)
	return bytes.Count(lower, []byte(`"runs"`)) == 1 && bytes.Count(b, []byte(`"runs"`)) == 1 &&
		bytes.Count(lower, []byte(`"results"`)) == bytes.Count(b, []byte(`"results"`))
}
