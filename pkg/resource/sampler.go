package resource

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// minWindowCPU is the shortest interval over which CPU use is computed, since the kernel counts in ticks of 10 ms.
const minWindowCPU = 250 * time.Millisecond

// systemSampler measures this host. It is neither safe for concurrent use nor shared: CPU use and pressure are differences
// from its own previous sample, which no other reader can disturb.
type systemSampler struct {
	host   host
	groups *groups
	disks  *diskMeter
	self   *process.Process
}

func newSystemSampler(diskPaths ...string) *systemSampler {
	s := &systemSampler{host: host{machine: gopsutil{}}, groups: newGroups(systemRoot), disks: newDiskMeter(diskPaths)}
	s.self, _ = process.NewProcess(int32(os.Getpid())) // if it fails, the RSS stays unknown
	return s
}

// Sample implements Sampler.
func (s *systemSampler) Sample(ctx context.Context) (SystemMetrics, error) {
	m := SystemMetrics{
		Timestamp: time.Now(), HeapBytes: HeapBytes(), OpenFiles: openFiles(), NumGoroutines: runtime.NumGoroutine(), NumCPU: runtime.NumCPU(),
	}
	err := errors.Join(s.host.cpu(ctx, &m), s.host.memory(ctx, &m), s.groups.sample(&m))
	if err == nil && m.CPUSource == "" && m.MemorySource == "" {
		err = s.host.noMemory
	}
	m.Disks = s.disks.read()
	if s.self != nil {
		if info, err := s.self.MemoryInfoWithContext(ctx); err == nil {
			m.ProcessRSSBytes = int64(info.RSS)
		}
	}
	return m, err
}

// close closes the files that samples keep open.
func (s *systemSampler) close() { s.groups.close() }

// takeMemory merges the numbers of one level: the fullest level is reported, and the one with the least available memory
// bounds admission.
func (m *SystemMetrics) takeMemory(used, total int64, source string) {
	if total <= 0 {
		return
	}
	used = min(max(used, 0), total)
	if m.MemorySource == "" || total-used < m.MemoryAvailableBytes {
		m.MemoryAvailableBytes, m.MemoryLimitBytes = total-used, total
	}
	if percent := 100 * float64(used) / float64(total); m.MemorySource == "" || percent > m.MemoryPercent {
		m.MemoryPercent, m.MemorySource = percent, source
		m.MemoryUsedMB, m.MemoryTotalMB = float64(used)/(1<<20), float64(total)/(1<<20)
	}
}

// takeCPU merges the CPU use of one level: the highest is reported.
func (m *SystemMetrics) takeCPU(percent float64, source string) {
	percent = min(max(percent, 0), 100)
	if m.CPUSource == "" || percent > m.CPUPercent {
		m.CPUPercent, m.CPUSource = percent, source
	}
}

// cpusAvailable returns the number of CPUs that this process may use, by its affinity when it started and by the CPU sets and
// quotas of its control groups.
var cpusAvailable = sync.OnceValue(func() float64 {
	g := newGroups(systemRoot)
	defer g.close()
	m := SystemMetrics{NumCPU: runtime.NumCPU()}
	_ = g.sample(&m) // an unreadable file sets no limit
	return m.CPUsAvailable
})
