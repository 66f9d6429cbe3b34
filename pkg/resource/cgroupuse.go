package resource

import (
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// memory enters every level that has a limit below the machine's memory.
func (g *groups) memory(m *SystemMetrics) {
	hostTotal := int64(math.MaxInt64)
	if m.MemorySource != "" {
		hostTotal = int64(m.MemoryTotalMB * (1 << 20))
	}
	for _, level := range g.memGroups {
		if used, limit := level.memory(); limit < hostTotal && limit < math.MaxInt64 {
			m.takeMemory(used, limit, level.source())
		}
	}
}

// memory returns what is in use and cannot be given back, and the limit; MaxInt64 for none.
//
// The usual "working set" takes only the inactive page cache off. A scanner that reads a tree twice makes its cache
// active, and a group full of cache looks full; so the active part and the reclaimable slab are taken off too.
func (g group) memory() (used, limit int64) {
	file := func(name string) string { return filepath.Join(g.dir, name) }
	bound := func(name string) int64 {
		if n, err := readNumber(file(name)); err == nil && n > 0 {
			return n
		}
		return math.MaxInt64
	}
	stat := readStat(file("memory.stat"))
	if g.version == 2 {
		limit = min(bound("memory.max"), bound("memory.high"))
		used, err := readNumber(file("memory.current"))
		if err != nil {
			return 0, math.MaxInt64
		}
		return max(used-stat["inactive_file"]-stat["active_file"]-stat["slab_reclaimable"], 0), limit
	}
	limit = bound("memory.limit_in_bytes")
	if n, ok := stat["hierarchical_memory_limit"]; ok && n > 0 { // counts ancestors that cannot be seen from here
		limit = min(limit, n)
	}
	used, err := readNumber(file("memory.usage_in_bytes"))
	if err != nil {
		return 0, math.MaxInt64
	}
	return max(used-stat["total_inactive_file"]-stat["total_active_file"], 0), limit
}

// oomKills is how many processes of our own group were killed for want of memory since the call before.
func (g *groups) oomKills() int64 {
	if len(g.memGroups) == 0 {
		return 0
	}
	own := g.memGroups[0]
	name := "memory.events"
	if own.version == 1 {
		name = "memory.oom_control"
	}
	total, ok := readStat(filepath.Join(own.dir, name))["oom_kill"]
	if !ok {
		return 0
	}
	before, known := g.kills[own.dir]
	clear(g.kills)
	g.kills[own.dir] = total
	if !known {
		return 0
	}
	return max(total-before, 0)
}

// cpu enters the use of every level's quota since the sample before.
func (g *groups) cpu(m *SystemMetrics) {
	next := make(map[string]cpuUsage, len(g.cpuGroups))
	for _, level := range g.cpuGroups {
		cpus := level.quota()
		used, ok := level.cpuTime()
		if cpus <= 0 || !ok {
			continue
		}
		periods, stopped := level.throttling()
		u, before := g.usage[level.dir]
		switch window := m.Timestamp.Sub(u.at); {
		case !before:
			u = cpuUsage{at: m.Timestamp, used: used, periods: periods, stopped: stopped}
		case window >= minWindowCPU:
			capacity := min(cpus, float64(runtime.NumCPU())) * window.Seconds()
			percent := 100 * (used - u.used).Seconds() / capacity
			throttled := share(stopped-u.stopped, periods-u.periods)
			u = cpuUsage{m.Timestamp, used, percent, used >= u.used, periods, stopped, throttled}
		}
		next[level.dir] = u
		if u.known {
			m.takeCPU(u.percent, level.source())
			m.CPUThrottledPercent = max(m.CPUThrottledPercent, u.throttled)
		}
	}
	g.usage = next
}

// share is part of whole in percent, 0 where one of them makes no sense: a counter may have begun anew.
func share(part, whole int64) float64 {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return min(100*float64(part)/float64(whole), 100)
}

// quota is the least number of CPUs that any level allows; 0: no limit.
func (g *groups) quota() float64 {
	least := 0.0
	for _, level := range g.cpuGroups {
		if q := level.quota(); q > 0 && (least == 0 || q < least) {
			least = q
		}
	}
	return least
}

// quota is the number of CPUs this level allows; 0: no limit.
func (g group) quota() float64 {
	var quota, period int64
	if g.version == 2 {
		text, _ := readSmall(filepath.Join(g.dir, "cpu.max"))
		f := strings.Fields(text)
		if len(f) != 2 || f[0] == "max" {
			return 0
		}
		quota, _ = parseNumber(f[0])
		period, _ = parseNumber(f[1])
	} else {
		quota, _ = readNumber(filepath.Join(g.dir, "cpu.cfs_quota_us"))
		period, _ = readNumber(filepath.Join(g.dir, "cpu.cfs_period_us"))
	}
	if quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// cpuTime is what the level has used since it was made.
func (g group) cpuTime() (time.Duration, bool) {
	if g.version == 2 {
		usec, ok := readStat(filepath.Join(g.dir, "cpu.stat"))["usage_usec"]
		return time.Duration(usec) * time.Microsecond, ok
	}
	if g.acct == "" {
		return 0, false
	}
	nsec, err := readNumber(filepath.Join(g.acct, "cpuacct.usage"))
	return time.Duration(nsec), err == nil
}

// throttling returns in how many periods of its quota the level had something to run, and in how many of these it had
// to wait. Both versions call them the same.
func (g group) throttling() (periods, stopped int64) {
	stat := readStat(filepath.Join(g.dir, "cpu.stat"))
	return stat["nr_periods"], stat["nr_throttled"]
}

// pressureDirs lists where to look for pressure: our own group first, then the host.
func (g *groups) pressureDirs() []string {
	if g.root == "" {
		return nil
	}
	host := filepath.Join(g.root, "proc/pressure")
	if g.unified == "" {
		return []string{host}
	}
	return []string{g.unified, host}
}
