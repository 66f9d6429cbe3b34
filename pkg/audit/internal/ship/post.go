package ship

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

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/httpx"
	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
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
func (a *answer) event(acked uint64) event.Event {
	e := event.Event{Type: logfile.EventError, Severity: event.Critical, Error: a.err.Error(),
		Details: map[string]any{"status": a.status, "acked_seq": acked}}
	e.Message = "The collector has another history of this log: one of them was changed; sending pauses"
	if a.outcome == unauthorized {
		e.Type, e.Message = event.AuthFailed, "The collector of the audit log refuses the credentials; sending pauses"
	}
	return e
}

// The headers of a request beside those that net/http knows. See docs/formats.md.
const (
	HeaderAgent = "X-Agent-ID"
	HeaderKey   = "Idempotency-Key"
	HeaderAfter = "X-Audit-After" // the line that the collector has, and what its chain value is in the log now
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 64 << 10

// post sends a batch.
func (s *Shipper) post(b *batch) answer {
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
	return s.classify(resp, body, b)
}

func (s *Shipper) request(ctx context.Context, b *batch) (*http.Request, error) {
	if b.body == nil {
		b.body = codec.Compress(nil, b.raw, 3)
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(b.body))
	if err != nil {
		return nil, err
	}
	if source := s.cfg.Token; source != nil {
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
	rq.Header.Set(HeaderAgent, s.cfg.AgentID)
	rq.Header.Set(HeaderKey, fmt.Sprintf("%d-%d-%x", b.first, b.last.Seq, sum[:16]))
	rq.Header.Set(HeaderAfter, after)
	return rq, nil
}

// classify evaluates the answer to b. An answer that is not of the protocol, such as the page of a proxy, means that the
// collector was not reached.
func (s *Shipper) classify(resp *http.Response, raw []byte, b *batch) answer {
	a := answer{outcome: again, status: resp.StatusCode, after: httpx.RetryAfter(resp.Header.Get("Retry-After"), time.Now(), maxRetryAfter)}
	var body struct {
		Seq   uint64 `json:"seq"`
		Error struct {
			Code, Message string
			Details       struct {
				Seq *uint64 `json:"seq"`
			}
		} `json:"error"`
	}
	broken := json.Unmarshal(raw, &body)
	if resp.StatusCode/100 == 2 {
		switch {
		case broken != nil:
			a.err = fmt.Errorf("the collector's answer is none: %w", broken)
		case body.Seq < b.last.Seq:
			a.err = fmt.Errorf("the collector says it has line %d, and got %d", body.Seq, b.last.Seq)
		default:
			a.outcome = taken
		}
		return a
	}
	message, _ := logfile.Clip(s.cfg.Redact(body.Error.Message), 512)
	a.err = fmt.Errorf("collector: %d %s %s", resp.StatusCode, http.StatusText(resp.StatusCode), message)
	switch httpx.Classify(resp.StatusCode) {
	case httpx.Unauthorized:
		a.outcome = unauthorized
	case httpx.TooLarge:
		a.outcome = tooLarge
	case httpx.Rejected:
		if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnprocessableEntity {
			a.outcome = refused // any other is not an answer of the protocol: the collector is elsewhere
		}
	case httpx.Conflict:
		a.outcome = forked
		if body.Error.Code == CodeBehind && body.Error.Details.Seq != nil {
			a.outcome, a.seq = behind, *body.Error.Details.Seq
		}
	}
	return a
}

// CodeBehind is the code of a 409 that asks for earlier lines.
const CodeBehind = "AUDIT_BEHIND"

// maxRetryAfter is the longest wait that a collector may ask for.
const maxRetryAfter = 15 * time.Minute

// Pauses are the waits after failures in a row.
type Pauses struct {
	Short, Long retry.Policy // for a collector that recovers by itself, and for one that needs an operator
	failures    map[bool]int // in a row, by whether an operator is needed
}

func newPauses() Pauses {
	return Pauses{
		Short:    retry.Policy{Initial: time.Second, Max: 2 * time.Minute, Jitter: 0.5},
		Long:     retry.Policy{Initial: 30 * time.Second, Max: 15 * time.Minute, Jitter: 0.5},
		failures: map[bool]int{},
	}
}

func (p *Pauses) next(o outcome) time.Duration {
	operator := o == unauthorized || o == forked
	p.failures[operator]++
	if operator {
		return p.Long.Delay(p.failures[operator])
	}
	return p.Short.Delay(p.failures[operator])
}

func (p *Pauses) reset() { clear(p.failures) }
