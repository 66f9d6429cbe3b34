package limits

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// ErrCircuitOpen says that a request was not sent, because the last ones to its host got no answer. A Transport
// returns a *ErrCircuitOpen; find it with errors.As.
type ErrCircuitOpen struct {
	Host     string        // scheme, name and port
	Failures int           // requests in a row without an answer
	After    time.Duration // until one is let through to try
	Last     error         // what the newest of them failed with
}

func (e *ErrCircuitOpen) Error() string {
	return fmt.Sprintf("%s has not answered %d requests in a row, next try in %s: %v",
		e.Host, e.Failures, e.After.Round(time.Millisecond), e.Last)
}

// RetryAfter returns After: to ask again sooner is of no use.
func (e *ErrCircuitOpen) RetryAfter() time.Duration { return e.After }

// breaker keeps requests from hosts that do not answer: after threshold failures in a row the circuit of the host is
// open for a pause, then one request probes. Its answer closes the circuit; its failure doubles the pause.
//
// Any answer is one, a 500 too: whether that is the fault of the host or of what was sent is for the caller to find
// out, and a request that one endpoint chokes on must not hold up all others to the host.
type breaker struct {
	threshold int
	longest   time.Duration // of a pause

	mu    sync.Mutex
	hosts map[string]*circuit // those without an answer since their last failure
}

// circuit is a host that failed.
type circuit struct {
	failures int           // in a row
	pause    time.Duration // zero: closed
	until    time.Time     // end of the pause
	probing  bool
	last     error
}

// firstCircuitPause is the first pause; each further one is twice as long, up to CircuitBreakerTimeout.
const firstCircuitPause = time.Second

// maxCircuits bounds the memory of hosts that failed. To forget one means no more than to try it again.
const maxCircuits = 256

func newBreaker(l NetworkLimits) *breaker {
	if !l.CircuitBreakerEnabled {
		return nil
	}
	return &breaker{threshold: l.CircuitBreakerThreshold, longest: l.CircuitBreakerTimeout, hosts: map[string]*circuit{}}
}

// hostOf is what a circuit is kept for.
func hostOf(req *http.Request) string { return req.URL.Scheme + "://" + req.URL.Host }

// enter returns an error when the circuit is open. The circuit it returns is that of a probe, nil for any other
// request; it goes to the leave that follows each enter without error.
func (b *breaker) enter(host string) (probe *circuit, err error) {
	if b == nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.hosts[host]
	if c == nil || c.pause == 0 {
		return nil, nil
	}
	left := time.Until(c.until)
	if left > 0 || c.probing {
		if left <= 0 {
			left = firstCircuitPause // the probe has not ended; nobody knows when it will
		}
		return nil, &ErrCircuitOpen{Host: host, Failures: c.failures, After: left, Last: c.last}
	}
	c.probing = true
	return c, nil
}

// outcome is what a request says of its host.
type outcome int

const (
	nothing  outcome = iota // it was not sent, or its caller gave it up
	answered                // the head of a response came, whatever it says
	silent                  // no answer
)

// leave notes the outcome of the request to host; err is what made it silent.
func (b *breaker) leave(host string, probe *circuit, o outcome, err error) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.hosts[host]
	probed := probe != nil && probe == c
	if probed {
		c.probing = false
	}
	switch o {
	case answered:
		delete(b.hosts, host)
	case silent:
		if c == nil {
			c = b.addLocked(host)
		}
		c.failures++
		c.last = err
		// What was under way when the circuit opened adds no pause.
		if probed || c.pause == 0 && c.failures >= b.threshold {
			c.pause = min(max(2*c.pause, firstCircuitPause), b.longest)
			c.until = time.Now().Add(c.pause)
		}
	}
}

// worst is the most failures in a row of any host.
func (b *breaker) worst() (n int) {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.hosts {
		n = max(n, c.failures)
	}
	return n
}

func (b *breaker) addLocked(host string) *circuit {
	for other := range b.hosts {
		if len(b.hosts) < maxCircuits {
			break
		}
		delete(b.hosts, other)
	}
	c := &circuit{}
	b.hosts[host] = c
	return c
}
