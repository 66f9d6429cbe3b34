package sdktest

import (
	"context"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

// Report returns a report with n findings in as many files of one repository. It is the same at every call.
func Report(n int) *report.Report {
	r := &report.Report{
		Tool:   &report.Tool{Name: "fake", Version: "1.0.0"},
		Assets: []*report.Asset{{ID: "repo", Type: "repository", Value: "example.com/repo"}},
	}
	for i := range n {
		r.Findings = append(r.Findings, &report.Finding{
			Type: report.TypeSecret, Title: fmt.Sprintf("Finding %d", i+1), Severity: report.High, RuleID: "fake-rule", AssetRef: "repo",
			Location: &report.Location{Path: fmt.Sprintf("file-%d.go", i+1), StartLine: i + 1},
		})
	}
	return r
}

// Finds is the Behaviour of a scan that returns a report with n findings.
func Finds(n int) Behaviour { return Gives(Report(n)) }

// Gives is the Behaviour of a scan that returns r, which it does not change.
func Gives(r *report.Report) Behaviour {
	return func(context.Context, scan.Request) (*report.Report, error) { return r, nil }
}

// Fails is the Behaviour of a scan that fails with err. The job fails too, unless err has a method Temporary() bool that
// returns true; see Temporary.
func Fails(err error) Behaviour {
	return func(context.Context, scan.Request) (*report.Report, error) { return nil, err }
}

// Temporary returns the error of a scan that may succeed at another attempt.
func Temporary(text string) error {
	return &scan.Error{Scanner: "fake", Cause: scan.CauseStart, ExitCode: -1, Err: errors.New(text)}
}

// Hangs is the Behaviour of a scan that runs until its context ends, and then fails like a scanner that was stopped.
func Hangs() Behaviour {
	return func(ctx context.Context, req scan.Request) (*report.Report, error) {
		<-ctx.Done()
		cause := scan.CauseCancel
		switch err := context.Cause(ctx); {
		case errors.Is(err, scan.ErrShutdown):
			cause = scan.CauseShutdown
		case errors.Is(err, context.DeadlineExceeded):
			cause = scan.CauseTimeout
		}
		return nil, &scan.Error{Scanner: req.Scanner, Cause: cause, ExitCode: -1, Err: context.Cause(ctx)}
	}
}

// After is the Behaviour of a scan that waits until ready can be received from, and then behaves like b. If its context ends
// before, it behaves like Hangs.
func After(ready <-chan struct{}, b Behaviour) Behaviour {
	return func(ctx context.Context, req scan.Request) (*report.Report, error) {
		select {
		case <-ready:
			return b(ctx, req)
		case <-ctx.Done():
			return Hangs()(ctx, req)
		}
	}
}

// Panics is the Behaviour of a scan that panics with v.
func Panics(v any) Behaviour {
	return func(context.Context, scan.Request) (*report.Report, error) { panic(v) }
}
