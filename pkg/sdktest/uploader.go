package sdktest

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// Uploader is a pipeline.Uploader that records the parts it is sent. It accepts everything until it is set to fail. A part
// whose key it has already is accepted without effect, as by a real receiver.
type Uploader struct {
	mu       state
	once     []func(*part.Part) error // decide about the next uploads
	script   func(*part.Part) error   // decides about all others; nil: accept
	held     chan struct{}            // closed by release; nil: uploads do not hang
	waiting  int                      // uploads that hang now
	attempts int
	parts    []*part.Part // accepted, in order, each key once
	reports  reports
}

var _ pipeline.Uploader = (*Uploader)(nil)

// Upload implements pipeline.Uploader.
func (u *Uploader) Upload(ctx context.Context, pt *part.Part) (*pipeline.Result, error) {
	begun := time.Now()
	if err := u.hang(ctx); err != nil {
		return nil, err
	}
	if decide := u.next(); decide != nil {
		if err := decide(pt); err != nil {
			return nil, err
		}
	}
	duplicate, err := u.accept(pt)
	if err != nil {
		return nil, err
	}
	res := &pipeline.Result{ReportID: pt.ReportID, Status: "accepted", Duplicate: duplicate, BytesSent: int64(len(pt.Data)), SubmittedAt: begun, CompletedAt: time.Now()}
	if duplicate {
		res.FindingsSkipped = pt.Findings
	} else {
		res.FindingsCreated, res.AssetsCreated = pt.Findings, pt.Assets
	}
	return res, nil
}

// hang counts the attempt and waits while uploads hang.
func (u *Uploader) hang(ctx context.Context) error {
	u.mu.Lock()
	u.attempts++
	u.mu.changedLocked()
	held := u.held
	if held != nil {
		u.waiting++
	}
	u.mu.Unlock()
	if held == nil {
		return ctx.Err()
	}
	defer func() {
		u.mu.Lock()
		u.waiting--
		u.mu.changedLocked()
		u.mu.Unlock()
	}()
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *Uploader) next() (decide func(*part.Part) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.once) == 0 {
		return u.script
	}
	decide, u.once = u.once[0], u.once[1:]
	return decide
}

// accept records a part. One that cannot be decoded is refused permanently, as by a real receiver.
func (u *Uploader) accept(pt *part.Part) (duplicate bool, err error) {
	content, err := pt.Report()
	if err != nil {
		return false, Permanent(err.Error())
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if duplicate = !u.reports.add(pt, content); !duplicate {
		u.parts = append(u.parts, pt)
		u.mu.changedLocked()
	}
	return duplicate, nil
}

// SucceedAlways accepts everything from now on: it undoes FailNext, PanicNext and Script, and releases the uploads that
// hang.
func (u *Uploader) SucceedAlways() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.once, u.script = nil, nil
	u.releaseLocked(u.held)
}

// FailNext makes the next n uploads fail with err, after those that earlier calls of FailNext and PanicNext have set.
func (u *Uploader) FailNext(n int, err error) {
	u.decideNext(n, func(*part.Part) error { return err })
}

// PanicNext makes the next upload panic.
func (u *Uploader) PanicNext() {
	u.decideNext(1, func(*part.Part) error { panic("sdktest: PanicNext was called") })
}

func (u *Uploader) decideNext(n int, decide func(*part.Part) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for range n {
		u.once = append(u.once, decide)
	}
}

// Script sets a function that decides about every upload that FailNext and PanicNext do not: nil accepts the part. It is
// called concurrently. A nil function accepts everything.
func (u *Uploader) Script(f func(*part.Part) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = f
}

// Hang makes uploads wait until release is called or their context ends, and then continue. release may be called more than
// once.
func (u *Uploader) Hang() (release func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held == nil {
		u.held = make(chan struct{})
	}
	held := u.held
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.releaseLocked(held)
	}
}

func (u *Uploader) releaseLocked(held chan struct{}) {
	if held != nil && u.held == held {
		close(held)
		u.held = nil
	}
}

// Attempts returns the number of calls of Upload.
func (u *Uploader) Attempts() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.attempts
}

// Parts returns the accepted parts in order, each once however often it was sent.
func (u *Uploader) Parts() []*part.Part {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*part.Part(nil), u.parts...)
}

// Reports returns the reports of which every part was accepted, in the order in which they became complete. Different
// content under the same ID is another report.
func (u *Uploader) Reports() []*report.Report {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.reports.merged()
}

// WaitFor waits until n reports are complete.
func (u *Uploader) WaitFor(ctx context.Context, n int) error {
	return u.mu.wait(ctx, func() (bool, string) {
		have := len(u.reports.complete)
		return have >= n, fmt.Sprintf("%d of %d reports uploaded, %d attempts", have, n, u.attempts)
	})
}

// WaitAttempts waits until Upload was called n times.
func (u *Uploader) WaitAttempts(ctx context.Context, n int) error {
	return u.mu.wait(ctx, func() (bool, string) {
		return u.attempts >= n, fmt.Sprintf("%d of %d uploads attempted", u.attempts, n)
	})
}

// WaitHanging waits until n uploads hang at once.
func (u *Uploader) WaitHanging(ctx context.Context, n int) error {
	return u.mu.wait(ctx, func() (bool, string) {
		return u.waiting >= n, fmt.Sprintf("%d of %d uploads hang", u.waiting, n)
	})
}
