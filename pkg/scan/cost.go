package scan

import (
	"io/fs"
	"path/filepath"
)

// Cost is what a scan takes of the host.
type Cost struct {
	Slots       int   // at least 1
	MemoryBytes int64 // at its peak; 0: unknown
	Learned     bool  // MemoryBytes is not declared, but what earlier scans took: a guess
}

// Cost returns what a scan with this scanner needs, for an agent to reserve before it starts the scan: what its
// definition declares, or else the memory that earlier scans of targets of such a size have taken (Config.LearnScans).
// A scanner that is not in the table costs one slot, and its scan fails.
func (r *Runner) Cost(scanner, target string) Cost {
	d, _ := r.cfg.Table.Lookup(scanner)
	c := Cost{Slots: max(d.Slots, 1), MemoryBytes: d.MemoryBytes}
	if r.learns(&d) {
		c.MemoryBytes = r.history.expect(scanner, sizeClass(target))
		c.Learned = c.MemoryBytes > 0
	}
	return c
}

// learns says whether the memory of the scanner d is learned.
func (r *Runner) learns(d *Definition) bool {
	return d.Name != "" && d.MemoryBytes == 0 && r.cfg.LearnScans > 0
}

// learn remembers the peak of a scan that is over. One that failed says nothing of what a scan takes, unless memory is
// what ended it.
func (j *scanJob) learn(failure error) {
	p := j.res.Process
	starved := p.Cause == CauseMemory || p.Cause == CauseOOM || p.Cause == CauseExit && p.Signal != "" // by our limit, or by the kernel
	if !j.r.learns(&j.def) || p.PeakMemory <= 0 || failure != nil && !starved {
		return
	}
	if err := j.r.history.add(j.def.Name, sizeClass(j.target), p.PeakMemory); err != nil {
		j.r.historyProblem("what scans take is not kept for the next start", err)
	}
}

// Classes of size: below 1 MiB, and then eightfold each, up to the last one without a bound.
const (
	firstClass   = 1 << 20
	maxClass     = 6
	maxClassWalk = 50_000 // entries that are looked at; a target with more is of the last class
)

// sizeClass says how large a target is, roughly. What cannot be read counts nothing.
func sizeClass(target string) int {
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real
	}
	var bytes int64
	entries := 0
	_ = filepath.WalkDir(target, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if entries++; entries > maxClassWalk {
			return fs.SkipAll
		}
		if e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	if entries > maxClassWalk {
		return maxClass
	}
	class := 0
	for limit := int64(firstClass); bytes >= limit && class < maxClass; limit *= 8 {
		class++
	}
	return class
}
