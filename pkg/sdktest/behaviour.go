package sdktest

import (
	"context"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

// Report returns a report of n findings in as many files of one repository, the same at every call.
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

// Finds returns a report of n findings.
func Finds(n int) Behaviour { return Gives(Report(n)) }

// Gives returns r, which is not changed.
func Gives(r *report.Report) Behaviour {
	return func(context.Context, scan.Request) (*report.Report, error) { return r, nil }
}

// Fails returns err. An agent takes it as final unless it has a method Temporary that returns true; see Passing.
func Fails(err error) Behaviour {
	return func(context.Context, scan.Request) (*report.Report, error) { return nil, err }
}

// Passing returns an error about the moment, not about the job: another try may help.
func Passing(text string) error {
	return &scan.Error{Scanner: "fake", Cause: scan.CauseStart, ExitCode: -1, Err: errors.New(text)}
}

// Hangs waits until its context ends, and then fails as a scanner does that was stopped.
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

// After waits until ready is closed, and then does as b; when its context ends first, as Hangs.
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

// Panics panics with v.
func Panics(v any) Behaviour {
	return func(context.Context, scan.Request) (*report.Report, error) { panic(v) }
}
