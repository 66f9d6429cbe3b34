package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/limits"
)

// watch cancels a request that makes no progress. It times one phase at a time: connecting, writing or reading.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	t      *RoundTripper

	mu           sync.Mutex
	timer        *time.Timer // nil: not timing
	hasResponse  bool        // the caller has the response; from now on only its reads are timed
	ended        bool
	callersFault bool // the caller's request body could not be read
}

func (t *RoundTripper) newWatch(ctx context.Context) *watch {
	w := &watch{t: t}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// phase is a part of a request with its timeout. The zero phase has none.
type phase struct {
	setting string
	limit   time.Duration
	expired *atomic.Int64
}

func (w *watch) connecting() {
	w.sending(phase{"connection_timeout", w.t.cfg.ConnectionTimeout, &w.t.traffic.connecting})
}
func (w *watch) writing() {
	w.sending(phase{"write_timeout", w.t.cfg.WriteTimeout, &w.t.traffic.writing})
}
func (w *watch) awaiting() { w.sending(w.readPhase()) }
func (w *watch) pause()    { w.sending(phase{}) }

func (w *watch) readPhase() phase {
	return phase{"read_timeout", w.t.cfg.ReadTimeout, &w.t.traffic.reading}
}

// sending begins a phase before the response. A server may answer before it has received the whole request; what is sent
// after that is not timed.
func (w *watch) sending(p phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hasResponse {
		w.beginLocked(p)
	}
}

// answer ends the phases before the response.
func (w *watch) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hasResponse = true
	w.beginLocked(phase{})
}

// reading begins one read of the response, stop ends it.
func (w *watch) reading() { w.begin(w.readPhase()) }
func (w *watch) stop()    { w.begin(phase{}) }

func (w *watch) begin(p phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beginLocked(p)
}

func (w *watch) beginLocked(p phase) {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if p.limit > 0 && !w.ended {
		w.timer = time.AfterFunc(p.limit, func() {
			p.expired.Add(1)
			w.cancel(&limits.LimitError{Field: "limits.network." + p.setting, Value: p.limit.Seconds(), Bound: p.limit.Seconds()})
		})
	}
}

// bodyFailed records that the body of the request could not be read.
func (w *watch) bodyFailed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.callersFault = true
}

// outcome returns what a request without an answer shows about its host: nothing if its caller caused the failure.
func (w *watch) outcome(caller context.Context) outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.callersFault || caller.Err() != nil {
		return inconclusive
	}
	return silent
}

// end stops the timer and releases the context.
func (w *watch) end() {
	w.mu.Lock()
	w.ended = true
	w.beginLocked(phase{})
	w.mu.Unlock()
	w.cancel(nil)
}

// explain returns the limit that cancelled the request, or err if none did.
func (w *watch) explain(err error) error {
	if limit, ok := errors.AsType[*limits.LimitError](context.Cause(w.ctx)); ok {
		return limit
	}
	return err
}

// request returns req under this watch.
func (w *watch) request(req *http.Request) *http.Request {
	w.connecting()
	req = req.WithContext(httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { w.writing() },
		WroteRequest: func(httptrace.WroteRequestInfo) { w.awaiting() },
	}))
	if req.Body == nil || req.Body == http.NoBody {
		return req
	}
	req.Body = &requestBody{t: w.t, w: w, from: req.Body}
	if get := req.GetBody; get != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			from, err := get()
			if err != nil {
				return nil, err
			}
			return &requestBody{t: w.t, w: w, from: from}, nil
		}
	}
	return req
}
