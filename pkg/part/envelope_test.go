package part

import (
	"encoding/json"
	"testing"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/report"
)

// A receiver could mistake such a report for a part of another.
func TestEnvelopeMembersOfAReportAreDropped(t *testing.T) {
	var r report.Report
	const foreign = `{"version":"1.0","metadata":{"id":"mine"},"findings":[],"report_id":"other","chunk_index":7,"Is_Final":false,"kept":1}`
	if err := json.Unmarshal([]byte(foreign), &r); err != nil {
		t.Fatal(err)
	}
	parts, _, err := Split(&r, SplitConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var got report.Report // as a receiver reads it
	raw, err := codec.Decode(parts[0].Encoding, parts[0].Data, codec.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Extra) != 1 || string(got.Extra["kept"]) != "1" {
		t.Errorf("the part has extra members %s, want only the report's own", got.Extra)
	}
	if len(r.Extra) != 4 {
		t.Errorf("Split changed the caller's report: %s", r.Extra)
	}
}
