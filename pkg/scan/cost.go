package scan

// Cost returns what a scan with this scanner is declared to need: its slots, at least 1, and the bytes of memory, 0
// for unknown. A scanner that is not in the table costs one slot, and its scan fails. An agent reserves that much
// before it starts the scan.
func (r *Runner) Cost(scanner string) (slots int, memoryBytes int64) {
	d, _ := r.cfg.Table.Lookup(scanner)
	return max(d.Slots, 1), d.MemoryBytes
}
