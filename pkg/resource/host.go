package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/mem"
)

// machine reads the totals of the whole machine.
type machine interface {
	// times returns running totals over all CPUs.
	times(context.Context) (cpu.TimesStat, error)
	// memory returns bytes. Page cache counts as available.
	memory(context.Context) (available, total int64, err error)
}

// gopsutil is the real machine.
type gopsutil struct{}

// times does not use cpu.Percent, which has one baseline for the whole process: another caller would shorten our interval.
func (gopsutil) times(ctx context.Context) (cpu.TimesStat, error) {
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) == 0 {
		return cpu.TimesStat{}, errors.Join(err, errNoCPUs)
	}
	return times[0], nil
}

var errNoCPUs = errors.New("no CPU times")

func (gopsutil) memory(ctx context.Context) (available, total int64, err error) {
	vm, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return 0, 0, err
	}
	return int64(vm.Available), int64(vm.Total), nil
}

// host measures the whole machine.
type host struct {
	machine machine

	at      time.Time
	last    cpu.TimesStat
	percent float64 // CPU use in the newest window
	known   bool    // percent has been measured

	hasMemory bool  // memory has been measured before
	noMemory  error // why it has never been
}

// cpu adds the share of CPU time used since the previous sample. A platform that never reports it leaves it unknown; a
// failure after a success is an error.
func (h *host) cpu(ctx context.Context, m *SystemMetrics) error {
	times, err := h.machine.times(ctx)
	if err != nil && h.at.IsZero() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("CPU times of the host: %w", err)
	}
	switch {
	case h.at.IsZero():
		h.at, h.last = m.Timestamp, times
	case m.Timestamp.Sub(h.at) >= minWindowCPU:
		h.percent, h.known = busy(h.last, times)
		h.at, h.last = m.Timestamp, times
	}
	if h.known {
		m.takeCPU(h.percent, "host")
	}
	return nil
}

// busy returns the share of the CPU time between a and b that was spent working. Time stolen by a hypervisor is neither work
// nor idle time. Guest time is already part of user time.
func busy(a, b cpu.TimesStat) (percent float64, ok bool) {
	idle := max(b.Idle-a.Idle, 0) + max(b.Iowait-a.Iowait, 0)
	work := max(b.User-a.User, 0) + max(b.System-a.System, 0) + max(b.Nice-a.Nice, 0) +
		max(b.Irq-a.Irq, 0) + max(b.Softirq-a.Softirq, 0)
	if work+idle <= 0 {
		return 0, false
	}
	return 100 * work / (work + idle), true
}

// memory adds the memory in use that cannot be reclaimed.
func (h *host) memory(ctx context.Context, m *SystemMetrics) error {
	available, total, err := h.machine.memory(ctx)
	if err != nil && !h.hasMemory {
		h.noMemory = err
		return nil
	}
	if err != nil {
		return fmt.Errorf("memory of the host: %w", err)
	}
	h.hasMemory = true
	m.takeMemory(total-available, total, "host")
	return nil
}
