package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// attempt calls the uploader once, within UploadTimeout. A panic is returned as an error.
func (p *Pipeline) attempt(pt *part.Part) (res *Result, err error) {
	ctx, cancel := context.WithTimeout(p.workCtx, p.cfg.UploadTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			res, err = nil, fmt.Errorf("uploader panicked: %s", panicText(r))
		}
	}()
	if err := p.checkSendable(pt); err != nil {
		return nil, &unsendableError{err}
	}
	res, err = p.uploader.Upload(ctx, pt)
	if err != nil {
		_, _ = err.Error(), classify(err) // so that a typed nil, whose methods panic, is caught here
	}
	if err == nil && res == nil {
		res = &Result{ReportID: pt.ReportID}
	}
	return res, err
}

// checkSendable returns why a part can never be uploaded: its report could not be encoded, or its data is damaged.
func (p *Pipeline) checkSendable(pt *part.Part) error {
	if p.memory != nil {
		return p.memory.encodeError(pt)
	}
	if sum := sha256.Sum256(pt.Data); sum != pt.SHA256 {
		return fmt.Errorf("stored data is damaged: sha256 %x, want %x", sum[:4], pt.SHA256[:4])
	}
	return nil
}

// evaluate turns the answer to an attempt into an outcome.
func (p *Pipeline) evaluate(pt *part.Part, at pass, res *Result, err error) part.Outcome {
	if err == nil {
		p.gate.answered(pt.Key)
		return part.Outcome{Kind: part.Uploaded, Result: res}
	}
	if p.workCtx.Err() != nil { // cancelled by Stop, which is not the fault of the part
		p.gate.leave(at)
		return part.Outcome{Kind: part.Released, Err: err}
	}
	if _, ok := errors.AsType[*unsendableError](err); ok { // the receiver was not asked
		p.gate.leave(at)
		p.recordPart(pt, event.ValidationError, event.Error, "part cannot be sent", err)
		return part.Outcome{Kind: part.Dead, Err: err}
	}
	now, f := time.Now(), classify(err)
	if f.limited() {
		p.recordPart(pt, event.RateLimited, event.Warn, "receiver asks for fewer requests", err)
	}
	switch {
	case f.unauthorized:
		until, closed, _ := p.gate.failed(now, at, setback{pt.Key, "credentials refused: " + err.Error(), true, max(p.cfg.RetryDelay, f.retryAfter)})
		if closed {
			p.recordPart(pt, event.AuthFailed, event.Critical, "receiver refuses the credentials: uploads are paused", err)
		}
		return p.retry(pt, err, later(until, now.Add(p.cfg.RetryDelay)), true)
	case f.permanent:
		p.gate.answered(pt.Key)
		if f.invalid() {
			p.recordPart(pt, event.ValidationError, event.Error, "receiver refuses the part", err)
		}
		return part.Outcome{Kind: part.Dead, Err: err}
	case f.unavailable || errors.Is(err, context.DeadlineExceeded):
		until, _, blamed := p.gate.failed(now, at, setback{pt.Key, "receiver unavailable: " + err.Error(), false, f.retryAfter})
		// A durable part waits for the receiver for as long as that takes; one in memory uses up its retries.
		return p.retry(pt, err, later(until, now.Add(p.backoff.Delay(pt.Attempt))), p.memory == nil && !blamed)
	}
	p.gate.answered(pt.Key)
	return p.retry(pt, err, now.Add(max(p.backoff.Delay(pt.Attempt), f.retryAfter)), false)
}

// retry returns the part to the spool until due, or ends it if it has no retries left or is too old. A free attempt does
// not count.
func (p *Pipeline) retry(pt *part.Part, err error, due time.Time, free bool) part.Outcome {
	if !free && pt.Attempt > max(p.cfg.RetryAttempts, 0) {
		return part.Outcome{Kind: part.Dead, Err: err}
	}
	if age := time.Since(pt.SubmittedAt); p.cfg.MaxRetryAge > 0 && age >= p.cfg.MaxRetryAge {
		return part.Outcome{Kind: part.Dead, Err: &RetryAgeError{Age: age, Limit: p.cfg.MaxRetryAge, Err: err}}
	}
	if p.memory != nil && p.isDraining() { // only the stop prevents another attempt
		return part.Outcome{Kind: part.Dead, Err: fmt.Errorf("%w: %w", ErrStopped, err)}
	}
	return part.Outcome{Kind: part.Retry, Due: due, Err: err, Free: free}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// unsendableError is the error of a part that no receiver could be sent.
type unsendableError struct{ err error }

func (e *unsendableError) Error() string { return e.err.Error() }
func (e *unsendableError) Unwrap() error { return e.err }

// deadPartsError is the error of a report whose last part was uploaded and an earlier one was not.
type deadPartsError struct{ dead, total int }

func (e *deadPartsError) Error() string {
	return fmt.Sprintf("%d of %d parts could not be uploaded", e.dead, e.total)
}

// panicText returns the text of a recovered panic and the start of its stack.
func panicText(r any) string {
	return fmt.Sprintf("%v\n%.2048s", r, debug.Stack())
}
