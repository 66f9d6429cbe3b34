package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rediverio/sdk/internal/codec"
)

// outcome is what a collector's answer means for a batch.
type outcome int

const (
	taken        outcome = iota // it has every line
	again                       // later, the same
	unauthorized                // wait for other credentials
	tooLarge                    // in smaller pieces
	refused                     // never
	behind                      // it lacks lines before
	forked                      // it has another history of this log
)

// answer is an outcome with what belongs to it.
type answer struct {
	outcome outcome
	status  int
	seq     uint64        // behind: the last line that the collector has
	after   time.Duration // not earlier than that
	soon    bool          // at once
	err     error
}

// event is what the log says of an answer that makes sending pause.
func (a *answer) event(acked uint64) Event {
	e := Event{Type: EventAuditError, Severity: SeverityCritical, Error: a.err.Error(),
		Details: map[string]any{"status": a.status, "acked_seq": acked}}
	e.Message = "The collector has another history of this log: one of them was changed; sending pauses"
	if a.outcome == unauthorized {
		e.Type, e.Message = EventAuthFailed, "The collector of the audit log refuses the credentials; sending pauses"
	}
	return e
}

// The headers of a request beside those that net/http knows. See docs/formats.md.
const (
	headerAgent = "X-Agent-ID"
	headerKey   = "Idempotency-Key"
	headerAfter = "X-Audit-After" // the line that the collector has, and what its chain value is in the log now
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 64 << 10

// post sends a batch.
func (s *shipper) post(b *batch) answer {
	ctx, cancel := context.WithTimeout(s.ctx, sendTimeout)
	defer cancel()
	rq, err := s.request(ctx, b)
	if err != nil {
		return answer{outcome: again, err: err}
	}
	resp, err := s.client.Do(rq)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text repeats the URL
			err = ue.Err
		}
		return answer{outcome: again, err: fmt.Errorf("send the audit log: %w", err)}
	}
	defer func() { _ = resp.Body.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil && resp.StatusCode/100 == 2 {
		return answer{outcome: again, err: fmt.Errorf("read the collector's answer: %w", err)}
	}
	return judge(resp, body, b)
}

func (s *shipper) request(ctx context.Context, b *batch) (*http.Request, error) {
	if b.body == nil {
		b.body = codec.Compress(nil, b.raw, 3)
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(b.body))
	if err != nil {
		return nil, err
	}
	if source := s.log.cfg.RemoteToken; source != nil {
		token, err := source.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("token of the collector: %w", err)
		}
		rq.Header.Set("Authorization", "Bearer "+token)
	}
	sum := sha256.Sum256(b.raw)
	after := strconv.FormatUint(s.at.Acked, 10)
	if s.chain != "" {
		after += ":" + s.chain
	}
	rq.Header.Set("Content-Type", "application/x-ndjson")
	rq.Header.Set("Content-Encoding", codec.Zstd)
	rq.Header.Set("Accept", "application/json")
	rq.Header.Set(headerAgent, s.log.cfg.AgentID)
	rq.Header.Set(headerKey, fmt.Sprintf("%d-%d-%x", b.first, b.last.Seq, sum[:16]))
	rq.Header.Set(headerAfter, after)
	return rq, nil
}

// judge reads the answer to b. Whatever is not in the protocol is a collector that is not there, e.g. a proxy's page.
func judge(resp *http.Response, body []byte, b *batch) answer {
	a := answer{outcome: again, status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	var said struct {
		Seq   uint64 `json:"seq"`
		Error struct {
			Code, Message string
			Details       struct {
				Seq *uint64 `json:"seq"`
			}
		} `json:"error"`
	}
	broken := json.Unmarshal(body, &said)
	if resp.StatusCode/100 == 2 {
		switch {
		case broken != nil:
			a.err = fmt.Errorf("the collector's answer is none: %w", broken)
		case said.Seq < b.last.Seq:
			a.err = fmt.Errorf("the collector says it has line %d, and got %d", said.Seq, b.last.Seq)
		default:
			a.outcome = taken
		}
		return a
	}
	message, _ := clip(redact(said.Error.Message), 512)
	a.err = fmt.Errorf("collector: %d %s %s", resp.StatusCode, http.StatusText(resp.StatusCode), message)
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		a.outcome = unauthorized
	case http.StatusRequestEntityTooLarge:
		a.outcome = tooLarge
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		a.outcome = refused
	case http.StatusConflict:
		a.outcome = forked
		if said.Error.Code == codeBehind && said.Error.Details.Seq != nil {
			a.outcome, a.seq = behind, *said.Error.Details.Seq
		}
	}
	return a
}

// codeBehind is the code of a 409 that asks for earlier lines.
const codeBehind = "AUDIT_BEHIND"

// maxRetryAfter caps what a collector may ask to wait.
const maxRetryAfter = 15 * time.Minute

// retryAfter reads seconds or an HTTP date; anything else, and the past, is 0.
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// pauses are the waits after failures, doubling, each ±50 %.
type pauses struct {
	short *backoff.ExponentialBackOff // the collector will be back
	long  *backoff.ExponentialBackOff // somebody has to do something
}

func newPauses() pauses {
	from := func(first, last time.Duration) *backoff.ExponentialBackOff {
		return backoff.NewExponentialBackOff(backoff.WithInitialInterval(first), backoff.WithMaxInterval(last),
			backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0))
	}
	return pauses{from(time.Second, 2*time.Minute), from(30*time.Second, 15*time.Minute)}
}

func (p pauses) next(o outcome) time.Duration {
	if o == unauthorized || o == forked {
		return p.long.NextBackOff()
	}
	return p.short.NextBackOff()
}

func (p pauses) reset() {
	p.short.Reset()
	p.long.Reset()
}
