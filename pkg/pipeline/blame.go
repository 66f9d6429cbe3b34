package pipeline

import "slices"

// blame finds out which failures that look like the receiver's – no answer, overloaded – are a part's own, because its
// content makes the receiver or something before it fall over. The rule:
//
//	Such a failure does not count against a durable part, from the first one on. A part becomes a suspect when it
//	fails like this and then the receiver answers for another part, with fewer than gateFailures parts failing in
//	between: the receiver was there, for all but this one. The next such failure of a suspect counts as an attempt,
//	and it has to become a suspect anew.
//
// So an outage costs no part an attempt however long it is and however often it comes, but for the one or two that
// were the only ones to meet it, and those one attempt at the most; and a poison part is a dead letter after
// MaxRetries and two more attempts. What is not known after a restart is a free attempt more.
type blame struct {
	run      []string // the parts that failed since the receiver last answered, each once, at most gateFailures
	suspects map[string]struct{}
}

// maxSuspects bounds the memory; one that is forgotten has a free attempt more.
const maxSuspects = 1024

// failed notes a failure and says whether it counts.
func (b *blame) failed(key string) (counts bool) {
	_, counts = b.suspects[key]
	delete(b.suspects, key)
	if len(b.run) < gateFailures && !slices.Contains(b.run, key) {
		b.run = append(b.run, key)
	}
	return counts
}

// answered notes that the receiver said something about a part.
func (b *blame) answered(key string) {
	delete(b.suspects, key)
	if n := len(b.run); n > 0 && n < gateFailures {
		for _, k := range b.run {
			if k != key {
				b.suspect(k)
			}
		}
	}
	b.run = b.run[:0]
}

func (b *blame) suspect(key string) {
	if b.suspects == nil {
		b.suspects = map[string]struct{}{}
	}
	for k := range b.suspects {
		if len(b.suspects) < maxSuspects {
			break
		}
		delete(b.suspects, k)
	}
	b.suspects[key] = struct{}{}
}
