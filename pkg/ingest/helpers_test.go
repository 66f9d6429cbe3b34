package ingest

import (
	"testing"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// sample returns a report of n findings.
func sample(id string, n int) *report.Report {
	r := sdktest.Report(n)
	r.Metadata.ID = id
	return r
}

// split cuts r into parts of at most max findings.
func split(t testing.TB, r *report.Report, max int) []*part.Part {
	t.Helper()
	parts, _, err := part.Split(r, part.SplitConfig{MinFindings: max + 1, MaxFindings: max})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func upload(t testing.TB, c *Client, p *part.Part) *part.Result {
	t.Helper()
	res, err := c.Upload(t.Context(), p)
	if err != nil {
		t.Fatalf("Upload of part %d of %d: %v", p.Index, p.Total, err)
	}
	return res
}
