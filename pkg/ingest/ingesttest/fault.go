package ingesttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Fault is what goes wrong with one request. The zero Fault serves it as usual, so that a script can let some
// pass. Delay may be combined with all others, which exclude each other.
type Fault struct {
	Path       string        // only a request whose path ends so; others pass and do not use the fault up
	Delay      time.Duration // before anything else, or until the client is gone
	Status     int           // answer with this and nothing stored
	RetryAfter string        // the header, with Status
	Body       string        // with Status; empty: the protocol's error object
	Cut        bool          // close the connection after half of the body was read, nothing stored
	Hang       bool          // no answer until the client is gone or the test ends, nothing stored
	LoseAnswer bool          // store the part, then close the connection instead of answering
	CutAnswer  bool          // store the part, then close the connection in the middle of the answer
}

type script struct {
	sync.Mutex
	faults []Fault
}

// Fail puts faults behind those already waiting: each is used by one request, in the order of arrival.
func (s *Server) Fail(faults ...Fault) {
	s.script.Lock()
	defer s.script.Unlock()
	s.script.faults = append(s.script.faults, faults...)
}

// Pending returns how many faults wait to be used.
func (s *Server) Pending() int {
	s.script.Lock()
	defer s.script.Unlock()
	return len(s.script.faults)
}

// Heal drops the faults that wait.
func (s *Server) Heal() {
	s.script.Lock()
	defer s.script.Unlock()
	s.script.faults = nil
}

// next takes the first waiting fault if it is for this path.
func (s *script) next(path string) (f Fault) {
	s.Lock()
	defer s.Unlock()
	if len(s.faults) > 0 && strings.HasSuffix(path, s.faults[0].Path) {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	return f
}

// faulty serves with h what no fault is waiting for.
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
			_, _ = io.Copy(io.Discard, r.Body) // the server sees a client go only when its body is read
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

// wait returns false when the client went or the test ended before.
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
