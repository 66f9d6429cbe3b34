package httpx_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/httpx"
)

func TestClassify(t *testing.T) {
	for status, want := range map[int]httpx.Class{
		200: httpx.OK, 201: httpx.OK, 204: httpx.OK, 301: httpx.Unavailable, 308: httpx.Unavailable,
		400: httpx.Rejected, 401: httpx.Unauthorized, 403: httpx.Unauthorized, 404: httpx.Rejected, 408: httpx.Again,
		409: httpx.Conflict, 413: httpx.TooLarge, 422: httpx.Rejected, 425: httpx.Again, 429: httpx.Unavailable,
		500: httpx.Unavailable, 503: httpx.Unavailable, 599: httpx.Unavailable, 0: httpx.Unavailable, 100: httpx.Unavailable,
	} {
		if got := httpx.Classify(status); got != want {
			t.Errorf("Classify(%d) = %v, want %v", status, got, want)
		}
	}
	for class, want := range map[httpx.Class]bool{
		httpx.OK: false, httpx.Rejected: true, httpx.TooLarge: true, httpx.Conflict: true, httpx.Unauthorized: false, httpx.Unavailable: false, httpx.Again: false,
	} {
		if got := class.Permanent(); got != want {
			t.Errorf("Class(%d).Permanent() = %v, want %v", class, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-7": 0, "901": 15 * time.Minute, "99999999999999999999": 15 * time.Minute, "-99999999999999999999": 0,
		"soon": 0, "1.5": 0,
		now.Add(time.Minute).Format(http.TimeFormat):    time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat):   0,
		now.Add(24 * time.Hour).Format(http.TimeFormat): 15 * time.Minute,
	} {
		if got := httpx.RetryAfter(value, now, 15*time.Minute); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}
