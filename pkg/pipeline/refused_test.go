package pipeline

import (
	"net/http"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
)

// The answer of the receiver determines the type of the event, and the event has the details of the answer.
func TestAnswersAndTheirEvents(t *testing.T) {
	for _, tc := range []struct {
		fault ingesttest.Fault
		want  event.Type // empty: none
		sev   event.Severity
	}{
		{ingesttest.Fault{Status: http.StatusUnauthorized}, event.AuthFailed, event.Critical},
		{ingesttest.Fault{Status: http.StatusForbidden}, event.AuthFailed, event.Critical},
		{ingesttest.Fault{Status: http.StatusTooManyRequests}, event.RateLimited, event.Warn},
		{ingesttest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "1"}, event.RateLimited, event.Warn},
		{ingesttest.Fault{Status: http.StatusServiceUnavailable, RetryAfter: "1"}, "", ""},
		{ingesttest.Fault{Status: http.StatusInternalServerError}, "", ""},
		{ingesttest.Fault{Status: http.StatusBadRequest}, event.ValidationError, event.Error},
		{ingesttest.Fault{Status: http.StatusRequestEntityTooLarge}, event.ValidationError, event.Error},
		{ingesttest.Fault{Status: http.StatusUnprocessableEntity}, event.ValidationError, event.Error},
		{ingesttest.Fault{Status: http.StatusNotFound}, "", ""},
		{ingesttest.Fault{Status: http.StatusConflict}, "", ""},
	} {
		t.Run(http.StatusText(tc.fault.Status)+tc.fault.RetryAfter, func(t *testing.T) {
			t.Parallel() // some take a second
			srv := ingesttest.New(t)
			srv.Fail(tc.fault)
			rec := &testkit.Recorder{}
			p := start(t, PipelineConfig{Workers: 1, RetryDelay: time.Millisecond, Sink: rec}, srv.Client())
			if _, err := p.Submit(testReport("r", 1), WithTenantID("acme"), WithJobID("job")); err != nil {
				t.Fatal(err)
			}
			flush(t, p)
			stop(t, p)
			for _, kind := range []event.Type{event.AuthFailed, event.RateLimited, event.ValidationError} {
				got := rec.Events(kind)
				if kind != tc.want {
					if len(got) != 0 {
						t.Errorf("%+v", got)
					}
					continue
				}
				if len(got) != 1 {
					t.Fatalf("%d events of type %s, want 1", len(got), kind)
				}
				e := got[0]
				if e.TenantID != "acme" || e.JobID != "job" || e.ReportID != "r" || e.Error == "" || e.Severity != tc.sev {
					t.Errorf("%+v", e)
				}
				wait, _ := e.Details["retry_after_ms"].(int64)
				if e.Details["status"] != tc.fault.Status || e.Details["attempt"] != 1 || e.Details["size"].(int) == 0 || (wait == 1000) != (tc.fault.RetryAfter == "1") {
					t.Errorf("details: %v", e.Details)
				}
			}
			for _, e := range append(rec.Events(event.UploadRetry), rec.Events(event.UploadFailed)...) { // one of them follows
				if e.Details["status"] != tc.fault.Status {
					t.Errorf("%s: %v", e.Type, e.Details)
				}
			}
			if len(rec.Events(event.UploadRetry))+len(rec.Events(event.UploadFailed)) != 1 {
				t.Errorf("%+v %+v", rec.Events(event.UploadRetry), rec.Events(event.UploadFailed))
			}
		})
	}
}
