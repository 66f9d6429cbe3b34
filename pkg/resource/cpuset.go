package resource

import (
	"bytes"
	"path/filepath"
)

// maxCPUs bounds the numbers in a list of CPUs.
const maxCPUs = 1 << 16

// cpuSet reads the CPUs that the control groups of this process allow, and the CPUs of the machine.
type cpuSet struct {
	allowed []cachedFile // own group first; a group allows a subset of its ancestors
	online  cachedFile
}

func newCPUSet(root string, levels []place) cpuSet {
	s := cpuSet{online: cachedFile{name: filepath.Join(root, "sys/devices/system/cpu/online")}}
	for _, p := range levels {
		name := "cpuset.cpus.effective"
		if p.version == 1 {
			name = "cpuset.effective_cpus"
		}
		s.allowed = append(s.allowed, p.file(name))
	}
	return s
}

func (s *cpuSet) close() {
	s.online.close()
	for i := range s.allowed {
		s.allowed[i].close()
	}
}

// read returns the number of CPUs that the nearest group with a CPU set allows, 0 without such a group, and whether the
// machine has more.
func (s *cpuSet) read(r *reader) (allowed int, fewer bool) {
	for i := range s.allowed {
		if allowed = countCPUs(r.read(&s.allowed[i])); allowed > 0 {
			return allowed, allowed < countCPUs(r.read(&s.online))
		}
	}
	return 0, false
}

// countCPUs returns the number of CPUs in a list such as "0-3,8", or 0 for an invalid list.
func countCPUs(list []byte) (n int) {
	list = bytes.TrimSpace(list)
	for len(list) > 0 {
		var part []byte
		part, list, _ = bytes.Cut(list, []byte(","))
		first, last, isRange := bytes.Cut(part, []byte("-"))
		from, ok := parseNumber(first)
		to := from
		if isRange && ok {
			to, ok = parseNumber(last)
		}
		if !ok || from < 0 || to < from || to >= maxCPUs {
			return 0
		}
		n += int(to-from) + 1
	}
	return min(n, maxCPUs)
}
