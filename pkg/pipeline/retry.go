package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// attempt calls the uploader once, bounded by UploadTimeout. A panic is an error.
func (p *Pipeline) attempt(pt *part.Part) (res *Result, err error) {
	ctx, cancel := context.WithTimeout(p.workCtx, p.cfg.UploadTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			res, err = nil, fmt.Errorf("uploader panicked: %s", panicText(r))
		}
	}()
	if err := p.unsendable(pt); err != nil {
		return nil, &unsendableError{err}
	}
	res, err = p.uploader.Upload(ctx, pt)
	if err != nil {
		_, _ = err.Error(), classify(err) // methods of a typed nil panic: here that is caught
	}
	if err == nil && res == nil {
		res = &Result{ReportID: pt.ReportID}
	}
	return res, err
}

// unsendable returns why a part can never be uploaded: its report has no JSON form, or it is not what was stored.
func (p *Pipeline) unsendable(pt *part.Part) error {
	if p.memory != nil {
		return p.memory.unencodable(pt)
	}
	if sum := sha256.Sum256(pt.Data); sum != pt.SHA256 {
		return fmt.Errorf("stored data is damaged: sha256 %x, want %x", sum[:4], pt.SHA256[:4])
	}
	return nil
}

// judge turns the answer to an attempt into an outcome.
func (p *Pipeline) judge(pt *part.Part, at pass, res *Result, err error) part.Outcome {
	if err == nil {
		p.gate.answered(pt.Key)
		return part.Outcome{Kind: part.Uploaded, Result: res}
	}
	if p.workCtx.Err() != nil { // cut by Stop: not the part's fault
		p.gate.leave(at)
		return part.Outcome{Kind: part.Released, Err: err}
	}
	var unsendable *unsendableError
	if errors.As(err, &unsendable) { // the receiver was not asked
		p.gate.leave(at)
		p.refused(pt, event.ValidationError, event.Error, "part cannot be sent", err)
		return part.Outcome{Kind: part.Dead, Err: err}
	}
	now, f := time.Now(), classify(err)
	if f.limited() {
		p.refused(pt, event.RateLimited, event.Warn, "receiver asks for fewer requests", err)
	}
	switch {
	case f.unauthorized:
		until, closed, _ := p.gate.failed(now, at, setback{pt.Key, "credentials refused: " + err.Error(), true, max(p.cfg.RetryDelay, f.retryAfter)})
		if closed {
			p.refused(pt, event.AuthFailed, event.Critical, "credentials refused, uploads pause", err)
		}
		return p.putBack(pt, err, later(until, now.Add(p.cfg.RetryDelay)), true)
	case f.permanent:
		p.gate.answered(pt.Key)
		if f.invalid() {
			p.refused(pt, event.ValidationError, event.Error, "receiver refuses the part", err)
		}
		return part.Outcome{Kind: part.Dead, Err: err}
	case f.unavailable || errors.Is(err, context.DeadlineExceeded):
		until, _, blamed := p.gate.failed(now, at, setback{pt.Key, "receiver unavailable: " + err.Error(), false, f.retryAfter})
		// A durable part waits for the receiver as long as it takes, one in memory has RetryAttempts.
		return p.putBack(pt, err, later(until, now.Add(p.delay(pt.Attempt))), p.memory == nil && !blamed)
	}
	p.gate.answered(pt.Key)
	return p.putBack(pt, err, now.Add(max(p.delay(pt.Attempt), f.retryAfter)), false)
}

// putBack retries the part at due, or gives it up when its retries are used or it is too old.
func (p *Pipeline) putBack(pt *part.Part, err error, due time.Time, free bool) part.Outcome {
	if !free && pt.Attempt > p.retries {
		return part.Outcome{Kind: part.Dead, Err: err}
	}
	if age := time.Since(pt.SubmittedAt); p.cfg.MaxRetryAge > 0 && age >= p.cfg.MaxRetryAge {
		return part.Outcome{Kind: part.Dead, Err: &RetryAgeError{Age: age, Limit: p.cfg.MaxRetryAge, Err: err}}
	}
	if p.memory != nil && p.isDraining() { // it would be tried again, were there time: that is the stop's fault
		return part.Outcome{Kind: part.Dead, Err: fmt.Errorf("%w: %w", ErrStopped, err)}
	}
	return part.Outcome{Kind: part.Retry, Due: due, Err: err, Free: free}
}

// delay returns the wait before retry n = 1, 2, …: RetryDelay doubled n-1 times, ±50 %, at most MaxRetryDelay.
func (p *Pipeline) delay(n int) time.Duration {
	b := backoff.NewExponentialBackOff(backoff.WithInitialInterval(p.cfg.RetryDelay), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(p.cfg.MaxRetryDelay), backoff.WithMaxElapsedTime(0))
	d := b.NextBackOff()
	for range min(n, maxDoublings) - 1 {
		d = b.NextBackOff()
	}
	return d
}

// maxDoublings is past any MaxRetryDelay.
const maxDoublings = 64

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// unsendableError says that a part cannot be uploaded, which no retry changes.
type unsendableError struct{ err error }

func (e *unsendableError) Error() string { return e.err.Error() }
func (e *unsendableError) Unwrap() error { return e.err }

// deadPartsError is why a report failed whose last part went well.
type deadPartsError struct{ dead, total int }

func (e *deadPartsError) Error() string {
	return fmt.Sprintf("%d of %d parts could not be uploaded", e.dead, e.total)
}

// panicText is what a recovered panic says, with the start of its stack.
func panicText(r any) string {
	const enough = 2 << 10
	stack := debug.Stack()
	return fmt.Sprint(r) + "\n" + string(stack[:min(len(stack), enough)])
}
