// Package httpx has the one interpretation of HTTP answers that everything uses which sends data to a server and retries.
package httpx

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Class is the conclusion that a sender draws from the status of an answer.
type Class int

const (
	// OK is any 2xx.
	OK Class = iota
	// Rejected means that the same request will never be accepted.
	Rejected
	// TooLarge means that the same request will never be accepted, but smaller ones may be.
	TooLarge
	// Conflict means that the request contradicts what the server has.
	Conflict
	// Unauthorized means that the credentials were refused. It says nothing about the request.
	Unauthorized
	// Unavailable means that the server is overloaded, broken or elsewhere. It says nothing about the request.
	Unavailable
	// Again means that the request did not arrive in time. It may be sent again at once.
	Again
)

// Classify returns the class of a status code. Redirects are Unavailable, because credentials must not follow them.
func Classify(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Unauthorized
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return Again
	case http.StatusTooManyRequests:
		return Unavailable
	case http.StatusConflict:
		return Conflict
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	}
	switch status / 100 {
	case 2:
		return OK
	case 4:
		return Rejected
	}
	return Unavailable
}

// Permanent reports whether the same request will never be accepted.
func (c Class) Permanent() bool { return c == Rejected || c == TooLarge || c == Conflict }

// RetryAfter reads the value of a Retry-After header: a number of seconds or an HTTP date. It returns at most limit, and 0
// for a time in the past, an empty value or any other text.
func RetryAfter(value string, now time.Time, limit time.Duration) time.Duration {
	n, err := strconv.ParseInt(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		if n > int64(limit/time.Second) {
			return limit
		}
		return max(time.Duration(n)*time.Second, 0)
	}
	t, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), limit)
}
