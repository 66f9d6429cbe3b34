package resource

import (
	"context"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/mem"
)

// host measures the whole machine.
type host struct {
	at      time.Time
	last    cpu.TimesStat
	percent float64 // of the newest window
	known   bool    // percent is
}

// cpu enters the share of CPU time that was used since the sample before. cpu.Percent is of no use here: it has one
// baseline for the whole process, and who else calls it takes our interval away.
func (h *host) cpu(ctx context.Context, m *SystemMetrics) error {
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) == 0 {
		return err
	}
	switch {
	case h.at.IsZero():
		h.at, h.last = m.Timestamp, times[0]
	case m.Timestamp.Sub(h.at) >= minWindowCPU:
		h.percent, h.known = busy(h.last, times[0])
		h.at, h.last = m.Timestamp, times[0]
	}
	if h.known {
		m.takeCPU(h.percent, "host")
	}
	return nil
}

// busy is the share of the CPU time this machine got that was spent working. Time stolen by a hypervisor is
// neither work nor idleness. Guest time is part of user time already.
func busy(a, b cpu.TimesStat) (percent float64, ok bool) {
	idle := max(b.Idle-a.Idle, 0) + max(b.Iowait-a.Iowait, 0)
	work := max(b.User-a.User, 0) + max(b.System-a.System, 0) + max(b.Nice-a.Nice, 0) +
		max(b.Irq-a.Irq, 0) + max(b.Softirq-a.Softirq, 0)
	if work+idle <= 0 {
		return 0, false
	}
	return 100 * work / (work + idle), true
}

// memory enters what is in use and cannot be given back: page cache is available.
func (h *host) memory(ctx context.Context, m *SystemMetrics) error {
	vm, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	m.takeMemory(int64(vm.Total)-int64(vm.Available), int64(vm.Total), "host")
	return nil
}
