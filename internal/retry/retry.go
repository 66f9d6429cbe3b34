// Package retry computes how long to wait before an operation is tried again: exponential backoff with jitter.
package retry

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// A Policy says how waits grow. The zero Policy never waits.
type Policy struct {
	Initial time.Duration // wait before the first retry, before jitter
	Max     time.Duration // upper bound of a wait, before jitter; 0: no bound
	Jitter  float64       // share of a wait by which it varies at random, 0 to 1
}

// maxDoublings bounds the exponent. Every wait has reached any bound long before.
const maxDoublings = 40

// Delay returns the wait before retry n, counted from 1: Initial doubled n-1 times, at most Max, give or take Jitter.
func (p Policy) Delay(n int) time.Duration {
	if p.Initial <= 0 {
		return 0
	}
	wait := p.Initial
	for i := 1; i < min(n, maxDoublings) && (p.Max <= 0 || wait < p.Max); i++ {
		if wait *= 2; wait <= 0 { // past what a Duration holds
			wait = 1<<63 - 1
			break
		}
	}
	if p.Max > 0 {
		wait = min(wait, p.Max)
	}
	b := backoff.NewExponentialBackOff(backoff.WithInitialInterval(wait), backoff.WithMaxInterval(wait),
		backoff.WithRandomizationFactor(p.Jitter), backoff.WithMaxElapsedTime(0))
	return b.NextBackOff()
}
