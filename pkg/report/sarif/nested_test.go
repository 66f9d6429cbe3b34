package sarif

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestLocationsInFlowsAreResolved(t *testing.T) {
	index := func(n float64) *float64 { return &n }
	f, r := &File{root: root{spellings: []string{"/repo"}}}, &run{
		bases:     map[string]artifact{"SRC": {URI: "file:///repo/src/"}},
		artifacts: []artifact{{URI: "a b.go", BaseID: "SRC", Index: index(0)}},
	}
	for in, want := range map[string]string{
		`[{"artifactLocation":{"index":0}}]`:                                          `[{"artifactLocation":{"uri":"src/a%20b.go"}}]`,
		`[{"artifactLocation" : {"uri":"x.go","uriBaseId":"SRC","index":7} }]`:        `[{"artifactLocation" : {"uri":"src/x.go"} }]`,
		`[{"artifactLocation":{"uri":"file:///repo/x.go","description":{"text":1}}}]`: `[{"artifactLocation":{"description":{"text":1},"uri":"x.go"}}]`,
		`[{"artifactLocation":{"uri":"/etc/passwd"}},{"artifactLocation":{"uri":"../x","properties":{"a":1}}}]`: `[{"artifactLocation":{"properties":{"outside_root":true},"uri":"file:///etc/passwd"}},` +
			`{"artifactLocation":{"properties":{"a":1,"outside_root":true},"uri":"../x"}}]`,
		`[{"artifactLocation":{"uri":"x.go"},"b":1}]`:                                                `[{"artifactLocation":{"uri":"x.go"},"b":1}]`,
		`[{"artifactLocation":{"index":9}},{"artifactLocation":null}]`:                               `[{"artifactLocation":{}},{"artifactLocation":null}]`,
		`[{"artifactLocation":[1,{"artifactLocation":5}]}]`:                                          `[{"artifactLocation":[1,{"artifactLocation":5}]}]`,
		`["artifactLocation",{"a":"\"artifactLocation\":{\"index\":0}","b":"\\\"artifactLocation"}]`: `["artifactLocation",{"a":"\"artifactLocation\":{\"index\":0}","b":"\\\"artifactLocation"}]`,
		`[{"x\"artifactLocation":{"index":0}}]`:                                                      `[{"x\"artifactLocation":{"index":0}}]`,
		``:                                                                                           ``,
	} {
		if !json.Valid([]byte(in)) && in != "" {
			t.Fatal(in)
		}
		got := string(f.relocated(r, json.RawMessage(in)))
		if got != want {
			t.Errorf("%s\ngives %s\nwant  %s", in, got, want)
		}
		if again := string(f.relocated(&run{}, json.RawMessage(got))); again != got {
			t.Errorf("%s\ngives, once more, %s", got, again)
		}
	}
}

// Code flows are copied to the finding with their locations resolved.
func TestFlowsOfAResult(t *testing.T) {
	in := strings.Replace(file(`{"message":{"text":"m"},"analysisTarget":{"index":0},"codeFlows":[{"threadFlows":[{"locations":[{"location":{"physicalLocation":{"artifactLocation":{"index":0}}}}]}]}],`+
		`"fixes":[{"artifactChanges":[{"artifactLocation":{"index":0}}]}],"stacks":[{"frames":[{"location":{"physicalLocation":{"artifactLocation":{"index":0}}}}]}],`+
		`"attachments":[{"artifactLocation":{"index":0}}],"suppressions":[{"kind":"inSource","location":{"physicalLocation":{"artifactLocation":{"index":0}}}}],`+
		`"graphs":[{"nodes":[{"id":"n","location":{"physicalLocation":{"artifactLocation":{"index":0}}}}]}]}`),
		`"results"`, `"artifacts":[{"location":{"uri":"/repo/z.go"}}],"results"`, 1)
	_, got, err := check(t, []byte(in), Options{Root: "/repo"})
	if err != nil || len(got) != 1 {
		t.Fatal(err, in)
	}
	b, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), `{"uri":"z.go"}`); n != 7 || strings.Contains(string(b), "index") {
		t.Errorf("%d of 7 places are resolved: %s", n, b)
	}
}
