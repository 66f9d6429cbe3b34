package scan

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
		c.MemoryBytes = r.history.expect(scanner, sizeOf(target).class())
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
	if err := j.r.history.add(j.def.Name, j.size.class(), p.PeakMemory); err != nil {
		j.r.historyProblem("what scans take is not kept for the next start", err)
	}
}
