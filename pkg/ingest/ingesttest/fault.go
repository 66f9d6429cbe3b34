package ingesttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Fault is a failure of one request. The zero Fault serves the request, so that a script can let requests pass. Delay may be
// combined with any other field; the others exclude each other.
type Fault struct {
	// Path restricts the fault to requests whose path ends with it. Other requests are served, and the fault waits.
	Path string

	// Delay is how long the server waits before anything else, or until the client has gone.
	Delay time.Duration

	// Status is the status of the answer; nothing is stored. RetryAfter and Body are its header and body. An empty Body
	// means the error object of the protocol.
	Status     int
	RetryAfter string
	Body       string

	// Cut closes the connection after half of the body was read; nothing is stored.
	Cut bool

	// Hang does not answer until the client has gone or the test ends; nothing is stored.
	Hang bool

	// LoseAnswer stores the part and closes the connection instead of answering.
	LoseAnswer bool

	// CutAnswer stores the part and closes the connection in the middle of the answer.
	CutAnswer bool
}

type script struct {
	sync.Mutex
	faults []Fault
}

// Fail appends faults to the script. Each applies to one request, in the order of arrival.
func (s *Server) Fail(faults ...Fault) {
	s.script.Lock()
	defer s.script.Unlock()
	s.script.faults = append(s.script.faults, faults...)
}

// Pending returns the number of faults that have not been applied.
func (s *Server) Pending() int {
	s.script.Lock()
	defer s.script.Unlock()
	return len(s.script.faults)
}

// Heal removes the faults that have not been applied.
func (s *Server) Heal() {
	s.script.Lock()
	defer s.script.Unlock()
	s.script.faults = nil
}

// next returns the first fault, and removes it, if it applies to path.
func (s *script) next(path string) (f Fault) {
	s.Lock()
	defer s.Unlock()
	if len(s.faults) > 0 && strings.HasSuffix(path, s.faults[0].Path) {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	return f
}

// faulty applies the script to the requests of h.
func (s *Server) faulty(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := s.script.next(r.URL.Path)
		if f.Delay > 0 && !s.wait(r, f.Delay) {
			panic(http.ErrAbortHandler)
		}
		switch {
		case f.Status != 0:
			answer(w, r, f)
		case f.Cut:
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
			panic(http.ErrAbortHandler)
		case f.Hang:
			_, _ = io.Copy(io.Discard, r.Body) // the server notices that a client has gone only after it has read the body
			s.wait(r, 1<<62)
			panic(http.ErrAbortHandler)
		case f.LoseAnswer:
			h.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case f.CutAnswer:
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			w.Header().Set("Content-Length", rec.Header().Get("Content-Length"))
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// wait waits for d. It returns false if the client has gone or the test ended before.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.quit:
	}
	return false
}

func answer(w http.ResponseWriter, r *http.Request, f Fault) {
	_, _ = io.Copy(io.Discard, r.Body)
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Body == "" {
		f.Body = `{"error":{"code":"SCRIPTED","message":"a scripted fault"}}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}
