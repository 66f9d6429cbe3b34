package ingesttest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// The server fails one request and loses the answer to the next one.
func TestAgentBearsABadServer(t *testing.T) {
	srv := ingesttest.New(t)
	srv.Fail(ingesttest.Fault{Status: 503, RetryAfter: "2"}, ingesttest.Fault{LoseAnswer: true})
	client := srv.Client()
	parts, _, err := part.Split(&report.Report{Metadata: report.Metadata{ID: "r1"}, Findings: []*report.Finding{
		{Type: report.TypeSecret, Title: "Key", Severity: report.High}}}, part.SplitConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	for tries < 10 {
		tries++
		_, err := client.Upload(context.Background(), parts[0])
		if err == nil {
			break
		}
		if e := new(ingest.Error); !errors.As(err, &e) || !e.Unavailable() {
			t.Fatal(err)
		}
	}
	if n := len(srv.Findings("")); n != 1 || srv.Stats("").Repeated != 1 {
		t.Errorf("%d findings after %d tries, stats %+v", n, tries, srv.Stats(""))
	}
	// net/http may have resent the request whose answer was lost, which the key of the part allows.
	if got := srv.Requests(); len(got) != 3 || got[0].Status != 503 || got[1].Status != 0 || got[2].Status != 200 {
		t.Errorf("requests %+v", got)
	}
}
