package resource

import (
	"bytes"
	"math"
	"slices"
	"time"
)

// cpuGroup is one level of the control groups that bound CPU time.
type cpuGroup struct {
	source  string
	version int

	quotaFile, period cachedFile // in version 2 quotaFile is cpu.max, which has both
	stat              cachedFile
	usage             cachedFile // version 1

	use   cpuUse
	known bool // use has a first measurement
}

// cpuUse is the CPU time that a level had used at one moment, and its share of the CPUs in the window before.
type cpuUse struct {
	at               time.Time
	used             time.Duration
	periods, stopped int64 // periods of the quota, and those with stopped tasks, since the group was created

	percent, throttled float64
	measured           bool // percent and throttled are known
}

// newCPUGroup returns the group at p. For version 1 its usage is at the same level of acct, the accounting hierarchy.
func newCPUGroup(p place, acct []place) *cpuGroup {
	c := &cpuGroup{source: p.source(), version: p.version, stat: p.file("cpu.stat")}
	if p.version == 2 {
		c.quotaFile = p.file("cpu.max")
		return c
	}
	c.quotaFile, c.period = p.file("cpu.cfs_quota_us"), p.file("cpu.cfs_period_us")
	if i := slices.IndexFunc(acct, func(a place) bool { return a.name == p.name }); i >= 0 {
		c.usage = acct[i].file("cpuacct.usage")
	}
	return c
}

func (c *cpuGroup) close() {
	for _, k := range []*cachedFile{&c.quotaFile, &c.period, &c.stat, &c.usage} {
		k.close()
	}
}

// readCPU adds the CPUs that this process may use, and the use of every level that has fewer CPUs than the host since the
// previous sample. For a CPU set it is the use by our own group, since other processes on these CPUs are not visible.
func (g *groups) readCPU(m *SystemMetrics) {
	set, fewer := g.cpus.read(&g.reader)
	if set == 0 {
		set = m.NumCPU
	}
	m.CPUsAvailable = float64(min(set, m.NumCPU))
	for i, level := range g.cpu {
		quota := level.quota(&g.reader)
		if quota == 0 && !(i == 0 && fewer) {
			continue
		}
		cpus := float64(set)
		if quota > 0 {
			cpus = min(cpus, quota)
		}
		m.CPUsAvailable = min(m.CPUsAvailable, cpus)
		if u, ok := level.measure(&g.reader, m.Timestamp, cpus); ok {
			m.takeCPU(u.percent, level.source)
			m.CPUThrottledPercent = max(m.CPUThrottledPercent, u.throttled)
		}
	}
}

// measure returns the use of the given number of CPUs in the newest window that was long enough.
func (c *cpuGroup) measure(r *reader, now time.Time, cpus float64) (u cpuUse, ok bool) {
	stat := r.read(&c.stat)
	is := cpuUse{at: now}
	is.periods, _ = statOf(stat, "nr_periods")
	is.stopped, _ = statOf(stat, "nr_throttled")
	usec, ok := statOf(stat, "usage_usec")
	is.used = time.Duration(usec) * time.Microsecond
	if c.version == 1 {
		var nsec int64
		nsec, ok = r.number(&c.usage)
		is.used = time.Duration(nsec)
	}
	if !ok {
		c.known = false
		return is, false
	}
	switch window := now.Sub(c.use.at); {
	case !c.known:
		c.use, c.known = is, true
	case window >= minWindowCPU:
		is.percent = 100 * (is.used - c.use.used).Seconds() / (cpus * window.Seconds())
		is.throttled = share(is.stopped-c.use.stopped, is.periods-c.use.periods)
		is.measured = is.used >= c.use.used
		c.use = is
	}
	return c.use, c.use.measured
}

// share returns part of whole in percent, or 0 if either is invalid because a counter restarted.
func share(part, whole int64) float64 {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return min(100*float64(part)/float64(whole), 100)
}

// quota returns the number of CPUs that this level allows, or 0 for no limit.
func (c *cpuGroup) quota(r *reader) float64 {
	var quota, period int64
	var ok bool
	if c.version == 2 {
		q, p, _ := bytes.Cut(bytes.TrimSpace(r.read(&c.quotaFile)), []byte(" "))
		quota, _ = parseNumber(q)
		period, ok = parseNumber(p)
	} else {
		quota, _ = r.number(&c.quotaFile)
		period, ok = r.number(&c.period)
	}
	if !ok || quota <= 0 || period <= 0 || quota == math.MaxInt64 {
		return 0
	}
	return float64(quota) / float64(period)
}
