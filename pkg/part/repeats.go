package part

import (
	"math/bits"
	"strconv"

	"github.com/rediverio/sdk/pkg/report"
)

// repeats finds repeated fingerprints in one report by the first 8 bytes of each.
type repeats struct {
	first hashSet
	count map[uint64]int // number of repeats after the first occurrence
}

// fingerprint returns the finding's computed fingerprint, or a distinct one for each repeat.
func (s *repeats) fingerprint(f *report.Finding) string {
	fp := f.ComputeFingerprint()
	key, _ := strconv.ParseUint(fp[:16], 16, 64) // a computed fingerprint is hexadecimal
	if s.first.add(key) {
		return fp
	}
	if s.count == nil {
		s.count = map[uint64]int{}
	}
	s.count[key]++
	return report.RepeatFingerprint(fp, s.count[key])
}

// hashSet is a set of cryptographic hashes. A million of them use 10 to 12 MB of memory, compared to 27 MB in a Go map. It
// grows one shard at a time, so that never the whole set is copied.
type hashSet struct {
	small  hashTable
	shards *[256]hashTable // by the first byte; nil until small is full
}

// maxSmall is the number of hashes at which the set is divided into shards.
const maxSmall = 4096

// add adds h and reports whether it is new.
func (s *hashSet) add(h uint64) bool {
	if s.small.n == maxSmall {
		s.shards = new([256]hashTable)
		for _, h := range s.small.slots {
			if h != 0 {
				s.shards[h>>56].add(h)
			}
		}
		s.small = hashTable{}
	}
	h = max(h, 1) // 0 is an empty slot
	if s.shards != nil {
		return s.shards[h>>56].add(h)
	}
	return s.small.add(h)
}

// hashTable is an open-addressing table. The bits after the first byte give the slot, so hashes are roughly in order.
type hashTable struct {
	slots []uint64
	n     int
}

func (t *hashTable) add(h uint64) bool {
	if t.n*5 >= len(t.slots)*4 {
		old := t.slots
		*t = hashTable{slots: make([]uint64, len(old)+max(8, len(old)/4))}
		for _, h := range old {
			if h != 0 {
				t.add(h)
			}
		}
	}
	at, _ := bits.Mul64(h<<8, uint64(len(t.slots)))
	for t.slots[at] != 0 {
		if t.slots[at] == h {
			return false
		}
		if at++; at == uint64(len(t.slots)) {
			at = 0
		}
	}
	t.slots[at] = h
	t.n++
	return true
}
