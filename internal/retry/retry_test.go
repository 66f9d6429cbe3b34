package retry_test

import (
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/retry"
)

func TestDelayDoublesUpToMax(t *testing.T) {
	p := retry.Policy{Initial: time.Second, Max: 5 * time.Second}
	for n, want := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 1 << 30: 5 * time.Second,
	} {
		if got := p.Delay(n); got != want {
			t.Errorf("Delay(%d) = %v, want %v", n, got, want)
		}
	}
}

func TestDelayVariesByJitter(t *testing.T) {
	p := retry.Policy{Initial: time.Second, Max: time.Minute, Jitter: 0.5}
	seen := map[time.Duration]bool{}
	for range 200 {
		d := p.Delay(2)
		if d < time.Second || d > 3*time.Second {
			t.Fatalf("Delay(2) = %v, want 1s to 3s", d)
		}
		seen[d] = true
	}
	if len(seen) < 2 {
		t.Error("Delay(2) returned the same wait 200 times, want it to vary")
	}
}

func TestDelayNeverOverflowsAndZeroNeverWaits(t *testing.T) {
	if d := (retry.Policy{Initial: time.Hour}).Delay(1 << 20); d <= 0 {
		t.Errorf("Delay without a bound = %v, want a positive wait", d)
	}
	if d := (retry.Policy{}).Delay(3); d != 0 {
		t.Errorf("Delay of the zero Policy = %v, want 0", d)
	}
}
