package transport

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/limits"
)

// CircuitOpenError reports that a request was not sent because its host did not answer the previous ones. A RoundTripper
// returns a *CircuitOpenError.
type CircuitOpenError struct {
	Host     string        // Host is the scheme, name and port of the host.
	Failures int           // Failures is the number of consecutive requests without an answer.
	After    time.Duration // After is the time until the next request is let through as a probe.
	Last     error         // Last is the error of the newest of those requests.
}

func (e *CircuitOpenError) Error() string {
	return fmt.Sprintf("%s has not answered %d consecutive requests, next attempt in %s: %v",
		e.Host, e.Failures, e.After.Round(time.Millisecond), e.Last)
}

// RetryAfter returns After. Earlier retries fail too.
func (e *CircuitOpenError) RetryAfter() time.Duration { return e.After }

// breaker rejects requests to hosts that do not answer. After threshold consecutive failures the circuit of a host is open
// for a pause; then one request probes the host. An answer closes the circuit, another failure doubles the pause.
//
// Every answer counts, a 500 too: only the caller can tell whether the host or the request is at fault, and a request that
// one endpoint fails on must not block all others to the host. The nil breaker lets every request pass.
type breaker struct {
	threshold int
	maxPause  time.Duration

	mu    sync.Mutex
	hosts map[string]*circuit // hosts that have not answered since their last failure
}

// circuit is the state of a host that failed.
type circuit struct {
	failures int           // consecutive
	pause    time.Duration // zero: closed
	until    time.Time     // end of the pause
	probing  bool
	last     error
}

// firstPause is the first pause of a circuit. Each further pause is twice as long, up to CircuitBreakerTimeout.
const firstPause = time.Second

// maxCircuits bounds the memory for hosts that failed. Forgetting a host only means that it is tried again.
const maxCircuits = 256

func newBreaker(l limits.NetworkLimits) *breaker {
	if !l.CircuitBreakerEnabled {
		return nil
	}
	return &breaker{threshold: l.CircuitBreakerThreshold, maxPause: l.CircuitBreakerTimeout, hosts: map[string]*circuit{}}
}

// hostOf returns the key of the circuit for req.
func hostOf(req *http.Request) string { return req.URL.Scheme + "://" + req.URL.Host }

// allow returns a *CircuitOpenError if the circuit of host is open. Otherwise the caller must call report once, with the
// returned circuit, which is not nil if the request is a probe.
func (b *breaker) allow(host string) (probe *circuit, err error) {
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
			left = firstPause // a probe is in progress, and its end is unknown
		}
		return nil, &CircuitOpenError{Host: host, Failures: c.failures, After: left, Last: c.last}
	}
	c.probing = true
	return c, nil
}

// outcome is what a request shows about its host.
type outcome int

const (
	inconclusive outcome = iota // the request was not sent, or its caller abandoned it
	answered                    // the head of a response arrived
	silent                      // no answer arrived
)

// report records the outcome of a request to host. err is the error of a silent one.
func (b *breaker) report(host string, probe *circuit, o outcome, err error) {
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
		// Requests that were in progress when the circuit opened do not extend the pause.
		if probed || c.pause == 0 && c.failures >= b.threshold {
			c.pause = min(max(2*c.pause, firstPause), b.maxPause)
			c.until = time.Now().Add(c.pause)
		}
	}
}

// maxFailures returns the largest number of consecutive failures of any host.
func (b *breaker) maxFailures() (n int) {
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
