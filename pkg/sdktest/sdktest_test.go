package sdktest_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func split(t testing.TB, r *report.Report, cfg part.SplitConfig) []*part.Part {
	t.Helper()
	parts, _, err := part.Split(r, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func named(id string, findings int) *report.Report {
	r := sdktest.Report(findings)
	r.Metadata.ID = id
	return r
}

func limit(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestUploaderReassemblesReportsInAnyOrder(t *testing.T) {
	var u sdktest.Uploader
	parts := split(t, named("r", 23), part.SplitConfig{MinFindings: 1, MaxFindings: 5})
	backwards := slices.Clone(parts)
	slices.Reverse(backwards)
	for i, p := range append(backwards, parts...) { // and again, as after a lost answer
		res, err := u.Upload(t.Context(), p)
		if err != nil || res.Duplicate != (i >= len(parts)) {
			t.Fatalf("%+v, %v", res, err)
		}
		if complete := i >= len(parts)-1; complete != (len(u.Reports()) == 1) {
			t.Fatalf("%d reports complete after %d parts", len(u.Reports()), i+1)
		}
	}
	r := u.Reports()[0]
	if len(u.Parts()) != 5 || len(r.Findings) != 23 || len(r.Assets) != 1 || r.Metadata.ID != "r" || r.Tool.Name != "fake" {
		t.Errorf("%d parts, report %+v; want each part once", len(u.Parts()), r)
	}
	for i, f := range r.Findings {
		if f.Location.StartLine != i+1 {
			t.Errorf("finding %d is from line %d, want the order of the report", i, f.Location.StartLine)
		}
	}
}

func TestUploaderDistinguishesRevisionsAndTenants(t *testing.T) {
	var u sdktest.Uploader
	for _, r := range []*report.Report{named("r", 1), named("r", 2), named("s", 1)} {
		for _, tenant := range []string{"a", "b"} {
			for _, p := range split(t, r, part.SplitConfig{}) {
				p.TenantID = tenant
				if _, err := u.Upload(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := len(u.Reports()); n != 6 {
		t.Errorf("%d reports, want two revisions of r and one of s for each of two tenants", n)
	}
}

func TestUploaderFollowsItsScript(t *testing.T) {
	var u sdktest.Uploader
	p := split(t, named("r", 1), part.SplitConfig{})[0]
	first, scripted := errors.New("first"), errors.New("scripted")
	u.FailNext(1, first)
	u.PanicNext()
	u.Script(func(got *part.Part) error {
		if got != p {
			t.Error("Script got another part")
		}
		return scripted
	})
	if _, err := u.Upload(t.Context(), p); err != first {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Upload after PanicNext did not panic")
			}
		}()
		_, _ = u.Upload(t.Context(), p)
	}()
	if _, err := u.Upload(t.Context(), p); err != scripted {
		t.Error(err)
	}
	u.FailNext(9, first)
	u.SucceedAlways()
	if _, err := u.Upload(t.Context(), p); err != nil || u.Attempts() != 4 {
		t.Error(err, u.Attempts())
	}
}

func TestUploaderRefusesADamagedPart(t *testing.T) {
	var u sdktest.Uploader
	p := *split(t, named("r", 1), part.SplitConfig{})[0]
	p.Data = append([]byte{1}, p.Data...)
	_, err := u.Upload(t.Context(), &p)
	var permanent interface{ Permanent() bool }
	if !errors.As(err, &permanent) || !permanent.Permanent() || len(u.Parts()) != 0 {
		t.Error(err)
	}
}

func TestHangingUploadsEndWithTheirContextOrTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u sdktest.Uploader
		p := split(t, named("r", 1), part.SplitConfig{})[0]
		release := u.Hang()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := u.Upload(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		done := make(chan error)
		go func() { _, err := u.Upload(t.Context(), p); done <- err }()
		if err := u.WaitHanging(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		release()
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestErrorsSteerTheRetries(t *testing.T) {
	type steering interface {
		Permanent() bool
		Unavailable() bool
		Unauthorized() bool
		RetryAfter() time.Duration
	}
	for _, c := range []struct {
		err  error
		want [3]bool
		wait time.Duration
	}{
		{sdktest.Permanent("x"), [3]bool{true, false, false}, 0},
		{sdktest.Unavailable("x"), [3]bool{false, true, false}, 0},
		{sdktest.Unauthorized("x"), [3]bool{false, false, true}, 0},
		{sdktest.RetryAfter(time.Second), [3]bool{false, true, false}, time.Second},
	} {
		s := c.err.(steering)
		if got := [3]bool{s.Permanent(), s.Unavailable(), s.Unauthorized()}; got != c.want || s.RetryAfter() != c.wait || c.err.Error() == "" {
			t.Errorf("%v: %v, %v", c.err, got, s.RetryAfter())
		}
	}
}

func TestErrorOfAWaitDescribesWhatIsMissing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var u sdktest.Uploader
	var r sdktest.Recorder
	var s sdktest.Source
	var sc sdktest.Scanner
	j := s.Add(job.Spec{ID: "nightly"})[0]
	_, calls := j.WaitCalls(ctx, 1)
	_, events := r.WaitForN(ctx, 2, event.JobFailed)
	for want, err := range map[string]error{
		"0 of 3 reports": u.WaitFor(ctx, 3), "0 of 2 events [job_failed]": events, "nightly waiting": s.WaitEnded(ctx),
		"job nightly is waiting, not [acked]": j.WaitState(ctx, sdktest.Acked), "0 of 1 calls": calls, "0 of 1 scans run": sc.WaitRunning(ctx, 1),
	} {
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
			t.Errorf("wait failed with %[2]v, want %[1]q in it", want, err)
		}
	}
}

func TestRecorderKeepsItsOwnDetails(t *testing.T) {
	var r sdktest.Recorder
	details := map[string]any{"n": 1}
	r.Record(event.Event{Type: event.JobStarted, Details: details})
	details["n"] = 2
	e, err := r.WaitFor(limit(t), event.JobStarted)
	if err != nil || e.Details["n"] != 1 || e.Timestamp.IsZero() {
		t.Errorf("WaitFor = %+v, %v; want details of the time of Record and a timestamp", e, err)
	}
}

func TestSourceDeliversJobsByPriorityKindAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sdktest.Source
		s.Add(job.Spec{ID: "a"}, job.Spec{ID: "b", Priority: 5}, job.Spec{ID: "c", Kind: "update"})
		jobs, err := s.Next(t.Context(), job.Want{Max: 9, Kinds: []string{"scan"}})
		if err != nil || len(jobs) != 2 || jobs[0].Spec().ID != "b" || jobs[1].Spec().Attempt != 1 {
			t.Fatalf("%v, %v", jobs, err)
		}
		if err := jobs[0].Nak(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		again, err := s.Next(t.Context(), job.Want{Max: 9, Wait: time.Hour, Kinds: []string{"scan"}})
		if err != nil || len(again) != 1 || again[0].Spec().Attempt != 2 || time.Since(begun) != time.Minute {
			t.Errorf("%v, %v after %v", again, err, time.Since(begun))
		}
		if none, err := s.Next(t.Context(), job.Want{Max: 9, Wait: time.Second, Kinds: []string{"scan"}}); len(none) != 0 || err != nil {
			t.Error(none, err)
		}
		s.End()
		if rest, err := s.Next(t.Context(), job.Want{Max: 9}); err != nil || len(rest) != 1 {
			t.Error(rest, err)
		}
		if _, err := s.Next(t.Context(), job.Want{Max: 9, Wait: time.Hour}); err != io.EOF {
			t.Error(err)
		}
	})
}

func TestJobEndsOnce(t *testing.T) {
	var s sdktest.Source
	j := s.Add(job.Spec{})[0]
	if _, err := s.Next(t.Context(), job.Want{Max: 1}); err != nil {
		t.Fatal(err)
	}
	j.FailNext(1, io.ErrUnexpectedEOF)
	if err := j.Ack(t.Context()); err != io.ErrUnexpectedEOF || j.State() != sdktest.Held {
		t.Error(err, j.State())
	}
	if err := errors.Join(j.Ack(t.Context()), j.Ack(t.Context()), j.Fail(t.Context(), "late")); err != nil || j.State() != sdktest.Acked {
		t.Error(err, j.State())
	}
	j = s.Add(job.Spec{})[0]
	j.Cancel()
	if err := j.Extend(t.Context()); !errors.Is(err, job.ErrCanceled) || j.State() != sdktest.Gone {
		t.Error(err, j.State())
	}
}

func TestSamplerFails(t *testing.T) {
	var s sdktest.Sampler
	s.Fail(io.ErrUnexpectedEOF)
	if _, err := s.Sample(t.Context()); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	s.Set()
	if m, err := s.Sample(t.Context()); err != nil || m.CPUPercent > 50 || m.MemorySource == "" {
		t.Errorf("%+v, %v", m, err)
	}
}

// All fakes are used concurrently, for the race detector.
func TestAllMayBeCalledConcurrently(t *testing.T) {
	var u sdktest.Uploader
	var s sdktest.Source
	var r sdktest.Recorder
	p := split(t, named("r", 1), part.SplitConfig{})[0]
	s.Add(make([]job.Spec, 20)...)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				_, _ = u.Upload(t.Context(), p)
				_, _, _ = u.Reports(), u.Parts(), u.Attempts()
				u.FailNext(1, io.EOF)
				u.SucceedAlways()
				r.Record(event.Event{Type: event.JobStarted})
				_ = r.Events()
				jobs, _ := s.Next(t.Context(), job.Want{Max: 1})
				for _, j := range jobs {
					_ = j.Ack(t.Context())
				}
			}
		})
	}
	if _, err := r.WaitForN(limit(t), 100, event.JobStarted); err != nil {
		t.Error(err)
	}
	if err := s.WaitEnded(limit(t)); err != nil {
		t.Error(err)
	}
	all.Wait()
	if len(u.Parts()) != 1 {
		t.Errorf("%d parts uploaded", len(u.Parts()))
	}
}
