package limits

import (
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Runs are never exactly Interval apart. A policy that looks no further ahead than that learns all the same.
func TestPredictivePolicyLearnsWithLateRuns(t *testing.T) {
	p := PredictivePolicy{Lookahead: time.Minute, WarmUp: 3}
	shares := []Share{
		{Component: "a", Base: resource.Vector{Slots: 4}, Most: resource.Vector{Slots: 8}, Wanted: resource.Vector{Slots: 8}},
		{Component: "b", Base: resource.Vector{Slots: 4}, Most: resource.Vector{Slots: 8}},
	}
	now := time.Now()
	for range 3 {
		if proposed, _ := p.Propose(now, shares); proposed != nil {
			t.Fatalf("proposed while it warms up: %v", proposed)
		}
		now = now.Add(time.Minute + time.Millisecond)
	}
	if proposed, _ := p.Propose(now, shares); proposed == nil || proposed[0].Slots != 8 {
		t.Errorf("proposed %v", proposed)
	}
	now = now.Add(time.Hour)
	if proposed, _ := p.Propose(now, shares); proposed != nil {
		t.Errorf("after a long pause Propose = %v, want nothing", proposed)
	}
}

// A long interval needs no other field.
func TestIntervalAloneIsValid(t *testing.T) {
	for _, policy := range []string{PolicyOff, PolicyLoad, PolicyPredictive} {
		if err := (RebalanceConfig{Policy: policy, Interval: time.Hour}).Validate(); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if err := (RebalanceConfig{Policy: PolicyPredictive, Interval: time.Hour, Lookahead: time.Minute}).Validate(); err == nil {
		t.Error("looks ahead less than to the next run")
	}
}
