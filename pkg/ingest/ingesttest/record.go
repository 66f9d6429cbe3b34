package ingesttest

import (
	"io"
	"net/http"
	"slices"
	"sync"
)

// Request is one request that a Server has received.
type Request struct {
	Method, Path string
	Header       http.Header
	BodyBytes    int64 // bytes of the body that were read
	Status       int   // status of the answer; 0 if the connection was closed without one
}

type recorder struct {
	mu   sync.Mutex
	list []Request
}

// Requests returns the requests so far, in the order in which they ended.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.list)
}

func (l *recorder) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &countBody{ReadCloser: r.Body}
		r.Body = body
		sw := &statusWriter{ResponseWriter: w}
		defer func() { // also if a fault closes the connection by a panic
			l.mu.Lock()
			defer l.mu.Unlock()
			l.list = append(l.list, Request{r.Method, r.URL.Path, r.Header.Clone(), body.n, sw.status})
		}()
		h.ServeHTTP(sw, r)
	})
}

type countBody struct {
	io.ReadCloser
	n int64
}

func (c *countBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
