package resource

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
)

func TestBusy(t *testing.T) {
	for _, c := range []struct {
		name string
		b    cpu.TimesStat
		want float64
		ok   bool
	}{
		{"half", cpu.TimesStat{User: 3, System: 2, Idle: 4, Iowait: 1}, 50, true},
		{"idle", cpu.TimesStat{Idle: 10}, 0, true},
		{"stolen time is neither work nor idleness", cpu.TimesStat{User: 5, Steal: 90, Idle: 5}, 50, true},
		{"guest time is in user time", cpu.TimesStat{User: 5, Guest: 5, Idle: 5}, 50, true},
		{"no tick passed", cpu.TimesStat{}, 0, false},
		{"a counter that went back", cpu.TimesStat{User: -5, Idle: 5}, 0, true},
	} {
		if got, ok := busy(cpu.TimesStat{}, c.b); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		}
	}
}

// The real host: a busy loop appears as CPU use, and another reader in the same process does not take our interval
// away, as it does with cpu.Percent.
func TestRealHost(t *testing.T) {
	s := newSystemSampler()
	m, err := s.Sample(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if m.MemorySource == "" || m.MemoryTotalMB <= 0 || m.MemoryAvailableBytes <= 0 || m.MemoryPercent <= 0 {
		t.Errorf("memory: %+v", m)
	}
	if m.NumCPU < 1 || m.NumGoroutines < 1 || m.ProcessRSSBytes < 1<<20 {
		t.Errorf("process: %+v", m)
	}
	if m.CPUSource != "" {
		t.Error("CPU use of no interval")
	}
	if runtime.GOOS != "linux" {
		t.Skip("CPU times are not there on every platform")
	}
	other := newSystemSampler()
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); {
		other.Sample(context.Background())
	}
	if m, err = s.Sample(context.Background()); err != nil {
		t.Fatal(err)
	}
	if m.CPUSource == "" || m.CPUPercent < 50/float64(runtime.NumCPU()) {
		t.Errorf("a busy loop shows as %v%% of CPU by %q", m.CPUPercent, m.CPUSource)
	}
	next, _ := s.Sample(context.Background())
	if next.Timestamp.Sub(m.Timestamp) < minWindowCPU && next.CPUPercent != m.CPUPercent {
		t.Errorf("CPUPercent after an interval below minWindowCPU = %v, want %v as before", next.CPUPercent, m.CPUPercent)
	}
}
