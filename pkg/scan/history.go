package scan

import (
	"slices"
	"sync"
)

// history remembers the peak memory of the last scans, for each scanner and class of size. Its file is read when it is
// used first.
type history struct {
	keep int    // scans for each scanner and class
	path string // empty: it is not kept
	bad  func(error)

	load sync.Once
	file sync.Mutex // held while the file is written; taken before mu
	mu   sync.Mutex
	seen []peaks // guarded by mu; the last used comes last
}

// peaks are those of one scanner on targets of one class.
type peaks struct {
	Scanner string  `json:"scanner"`
	Class   int     `json:"class"`
	Bytes   []int64 `json:"bytes"` // oldest first
}

// maxPeaks bounds how many pairs of scanner and class are remembered.
const maxPeaks = 256

// expect returns the 95th percentile of what was seen, 0 when nothing was. For a class that was not seen it is that of
// the nearest smaller one: a larger target takes no less.
func (h *history) expect(scanner string, class int) int64 {
	h.load.Do(h.read)
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; class >= 0; class-- {
		if i := h.findLocked(scanner, class); i >= 0 {
			return percentile95(h.seen[i].Bytes)
		}
	}
	return 0
}

// add remembers a peak. The error says that the file could not be written; it is remembered all the same.
func (h *history) add(scanner string, class int, bytes int64) error {
	h.load.Do(h.read)
	h.mu.Lock()
	p := peaks{Scanner: scanner, Class: class}
	if i := h.findLocked(scanner, class); i >= 0 {
		p = h.seen[i]
		h.seen = slices.Delete(h.seen, i, i+1)
	}
	p.Bytes = last(append(slices.Clone(p.Bytes), bytes), h.keep)
	h.seen = last(append(h.seen, p), maxPeaks)
	h.mu.Unlock()
	return h.write()
}

func (h *history) findLocked(scanner string, class int) int {
	return slices.IndexFunc(h.seen, func(p peaks) bool { return p.Scanner == scanner && p.Class == class })
}

// percentile95 is the least of bs that at most a twentieth of them exceeds; of less than twenty it is the largest.
func percentile95(bs []int64) int64 {
	sorted := slices.Sorted(slices.Values(bs))
	return sorted[len(sorted)-1-len(sorted)/20]
}

// last returns the last n of s.
func last[T any](s []T, n int) []T { return s[max(len(s)-n, 0):] }
