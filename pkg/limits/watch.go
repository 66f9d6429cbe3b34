package limits

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// watch cancels a request that makes no progress. It knows one phase at a time: connecting, writing, reading.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	t      *RoundTripper

	mu       sync.Mutex
	timer    *time.Timer // nil: not watching
	answered bool        // the caller has the response; only its reads are timed from then on
	ended    bool
	ownFault bool // the caller's body could not be read
}

func (t *RoundTripper) newWatch(ctx context.Context) *watch {
	w := &watch{t: t}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

func (w *watch) connecting() { w.sending("connection_timeout", w.t.limits.ConnectionTimeout) }
func (w *watch) writing()    { w.sending("write_timeout", w.t.limits.WriteTimeout) }
func (w *watch) awaiting()   { w.sending("read_timeout", w.t.limits.ReadTimeout) }
func (w *watch) pause()      { w.sending("", 0) }

// sending starts the clock of a phase before the response. A server may answer before it has the whole request:
// what the transport still sends then is not watched.
func (w *watch) sending(field string, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.answered {
		w.startLocked(field, limit)
	}
}

// answer ends the phases before the response.
func (w *watch) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	w.startLocked("", 0)
}

// reading starts the clock of one read of the response, stop ends it.
func (w *watch) reading() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.startLocked("read_timeout", w.t.limits.ReadTimeout)
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.startLocked("", 0)
}

func (w *watch) startLocked(field string, limit time.Duration) {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if limit > 0 && !w.ended {
		w.timer = time.AfterFunc(limit, func() {
			w.t.traffic.timedOut(field)
			w.cancel(&ErrLimit{Field: field, Value: limit.Seconds(), Bound: limit.Seconds()})
		})
	}
}

// unreadable notes that the body of the request failed.
func (w *watch) unreadable() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ownFault = true
}

// blame says what a request without an answer says of its host: nothing, when its caller gave it up.
func (w *watch) blame(caller context.Context) outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ownFault || caller.Err() != nil {
		return nothing
	}
	return silent
}

// end releases everything.
func (w *watch) end() {
	w.mu.Lock()
	w.ended = true
	w.startLocked("", 0)
	w.mu.Unlock()
	w.cancel(nil)
}

// explain puts the limit in the place of the cancellation it caused.
func (w *watch) explain(err error) error {
	var limit *ErrLimit
	if cause := context.Cause(w.ctx); errors.As(cause, &limit) {
		return cause
	}
	return err
}

// request returns req with the watch on it.
func (w *watch) request(req *http.Request) *http.Request {
	w.connecting()
	req = req.WithContext(httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { w.writing() },
		WroteRequest: func(httptrace.WroteRequestInfo) { w.awaiting() },
	}))
	if req.Body == nil || req.Body == http.NoBody {
		return req
	}
	req.Body = &upload{t: w.t, w: w, from: req.Body}
	if get := req.GetBody; get != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			from, err := get()
			if err != nil {
				return nil, err
			}
			return &upload{t: w.t, w: w, from: from}, nil
		}
	}
	return req
}
