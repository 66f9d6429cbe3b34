package job_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/job"
)

func TestListDeliversEachJobAndEnds(t *testing.T) {
	l := job.NewList(job.Spec{Scanner: "a"}, job.Spec{ID: "mine", Kind: "other"}, job.Spec{})
	jobs, err := l.Next(t.Context(), job.Want{Max: 2})
	if err != nil || len(jobs) != 2 || jobs[0].Spec().ID == "" || jobs[0].Spec().Kind != "scan" || jobs[0].Spec().Attempt != 1 || jobs[1].Spec().ID != "mine" {
		t.Fatalf("%v, %v", jobs, err)
	}
	rest, err := l.Next(t.Context(), job.Want{Max: 2})
	if err != nil || len(rest) != 1 {
		t.Fatal(rest, err)
	}
	if none, err := l.Next(t.Context(), job.Want{Max: 2, Wait: time.Hour}); len(none) != 0 || err != io.EOF {
		t.Errorf("Next after the last job = %v, %v; want io.EOF", none, err)
	}
	testkit.Check(t, jobs[0].Extend(t.Context()))
	testkit.Check(t, jobs[0].Ack(t.Context()))
	testkit.Check(t, jobs[0].Nak(t.Context(), 0)) // no effect
	testkit.Check(t, jobs[1].Fail(t.Context(), "broken"))
	testkit.Check(t, jobs[1].Fail(t.Context(), "again"))
	if f := l.Failed(); len(f) != 1 || f["mine"] != "broken" {
		t.Errorf("Failed() = %v, want the first reason", f)
	}
	if _, err := l.Next(t.Context(), job.Want{Max: 1}); err != io.EOF {
		t.Error("an ended job was delivered again")
	}
}

func TestListDeliversReturnedJobsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := job.NewList(job.Spec{ID: "a"}, job.Spec{ID: "b"})
		jobs, err := l.Next(t.Context(), job.Want{Max: 2})
		testkit.Check(t, err)
		testkit.Check(t, jobs[0].Nak(t.Context(), time.Minute))
		begun := time.Now()
		if none, err := l.Next(t.Context(), job.Want{Max: 2, Wait: time.Second}); len(none) != 0 || err != nil {
			t.Error(none, err)
		}
		again, err := l.Next(t.Context(), job.Want{Max: 2, Wait: time.Hour})
		if err != nil || len(again) != 1 || again[0].Spec().Attempt != 2 || time.Since(begun) != time.Minute {
			t.Errorf("Next = %v, %v after %v; want the second attempt after a minute", again, err, time.Since(begun))
		}
		testkit.Check(t, again[0].Nak(t.Context(), time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Next(ctx, job.Want{Max: 1, Wait: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
