package resource

import "math"

// memoryGroup is one level of the control groups that bound memory.
type memoryGroup struct {
	source  string
	version int

	current, limit, high, stat cachedFile
	events                     cachedFile // in version 1 memory.oom_control
	failures                   cachedFile // version 1

	before memoryEvents // totals of the previous sample
	known  bool         // before is valid
}

// memoryEvents counts what the kernel did to a group because memory was short.
type memoryEvents struct{ high, max, oom, oomKill int64 }

func newMemoryGroup(p place) *memoryGroup {
	m := &memoryGroup{source: p.source(), version: p.version, stat: p.file("memory.stat")}
	if p.version == 2 {
		m.current, m.limit, m.high = p.file("memory.current"), p.file("memory.max"), p.file("memory.high")
		m.events = p.file("memory.events")
		return m
	}
	m.current, m.limit = p.file("memory.usage_in_bytes"), p.file("memory.limit_in_bytes")
	m.events, m.failures = p.file("memory.oom_control"), p.file("memory.failcnt")
	return m
}

func (m *memoryGroup) close() {
	for _, k := range []*cachedFile{&m.current, &m.limit, &m.high, &m.stat, &m.events, &m.failures} {
		k.close()
	}
}

// readMemory adds every level with a limit below the memory of the machine, and the memory events since the previous call.
// Kills count in our own group only: a group that contains others too is not short of memory because of one of them.
func (g *groups) readMemory(m *SystemMetrics) {
	hostTotal := int64(math.MaxInt64)
	if m.MemorySource != "" {
		hostTotal = int64(m.MemoryTotalMB * (1 << 20))
	}
	for i, level := range g.memory {
		used, limit := level.use(&g.reader)
		bound := limit < hostTotal && limit < math.MaxInt64
		if bound {
			m.takeMemory(used, limit, level.source)
		}
		if i > 0 && !bound {
			continue
		}
		e := level.newEvents(&g.reader)
		m.MemoryHighEvents = max(m.MemoryHighEvents, e.high)
		m.MemoryMaxEvents = max(m.MemoryMaxEvents, e.max)
		m.OOMEvents = max(m.OOMEvents, e.oom)
		if i == 0 {
			m.OOMKills = e.oomKill
		}
	}
}

// use returns the memory in use that cannot be reclaimed, and the limit, MaxInt64 for none.
//
// The usual "working set" excludes only the inactive page cache. A scanner that reads a tree twice makes its cache active, and
// then a group full of cache looks full. So the active part and the reclaimable slab are excluded too.
func (m *memoryGroup) use(r *reader) (used, limit int64) {
	limit = min(r.bound(&m.limit), r.bound(&m.high))
	used, ok := r.number(&m.current)
	stat := r.read(&m.stat)
	if n, has := statOf(stat, "hierarchical_memory_limit"); has && n > 0 { // version 1: includes ancestors that are not visible
		limit = min(limit, n)
	}
	if !ok {
		return 0, math.MaxInt64
	}
	cache := [...]string{"inactive_file", "active_file", "slab_reclaimable"}
	if m.version == 1 {
		cache = [...]string{"total_inactive_file", "total_active_file", ""}
	}
	for _, name := range cache {
		n, _ := statOf(stat, name)
		used -= n
	}
	return max(used, 0), limit
}

// bound returns the limit in a file, or MaxInt64 for none.
func (r *reader) bound(k *cachedFile) int64 {
	if n, ok := r.number(k); ok && n > 0 {
		return n
	}
	return math.MaxInt64
}

// newEvents returns the events since the previous call. The first call, and one after a counter restarted, return none.
func (m *memoryGroup) newEvents(r *reader) memoryEvents {
	text := r.read(&m.events)
	var is memoryEvents
	is.oomKill, _ = statOf(text, "oom_kill")
	if m.version == 2 {
		is.high, _ = statOf(text, "high")
		is.max, _ = statOf(text, "max")
		is.oom, _ = statOf(text, "oom")
	}
	known := text != nil
	if m.version == 1 {
		is.max, _ = r.number(&m.failures)
	}
	was, had := m.before, m.known
	m.before, m.known = is, known
	if !had || !known {
		return memoryEvents{}
	}
	return memoryEvents{max(is.high-was.high, 0), max(is.max-was.max, 0), max(is.oom-was.oom, 0), max(is.oomKill-was.oomKill, 0)}
}
