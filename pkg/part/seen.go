package part

import (
	"math/bits"
	"strconv"

	"github.com/rediverio/sdk/pkg/report"
)

// seen tells repeats among the computed fingerprints of one report, by the first 8 bytes of each.
type seen struct {
	once    hashSet
	repeats map[uint64]int // how often each was seen after the first time
}

// fingerprint returns the finding's fingerprint, another one for each repeat.
func (s *seen) fingerprint(f *report.Finding) string {
	fp := f.ComputeFingerprint()
	key, _ := strconv.ParseUint(fp[:16], 16, 64) // hexadecimal, by its making
	if s.once.add(key) {
		return fp
	}
	if s.repeats == nil {
		s.repeats = map[uint64]int{}
	}
	s.repeats[key]++
	return report.RepeatFingerprint(fp, s.repeats[key])
}

// hashSet is a set of cryptographic hashes. A million of them take 10 to 12 MB, where a Go map takes 27, and it grows
// shard by shard, so that there are never two copies of it.
type hashSet struct {
	first  hashTable
	shards *[256]hashTable // by the first byte; nil while first holds all
}

// maxFirst is how many hashes make it worth to have shards.
const maxFirst = 4096

// add adds h and says whether it is new.
func (s *hashSet) add(h uint64) bool {
	if s.first.n == maxFirst {
		s.shards = new([256]hashTable)
		for _, h := range s.first.slots {
			if h != 0 {
				s.shards[h>>56].add(h)
			}
		}
		s.first = hashTable{}
	}
	h = max(h, 1) // 0 is an empty slot
	if s.shards != nil {
		return s.shards[h>>56].add(h)
	}
	return s.first.add(h)
}

// hashTable holds its hashes in about their order, each at the place its bits after the first byte name or behind it.
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
