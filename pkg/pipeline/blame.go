package pipeline

import "slices"

// blame finds parts whose content makes the receiver, or something in front of it, fail in a way that looks like an outage
// (no answer, overload). The rule:
//
//	Such a failure does not count against a durable part. A part becomes a suspect when it fails like this and the
//	receiver then answers for another part, with fewer than gateFailures parts failing in between: the receiver was
//	there for all parts but this one. The next such failure of a suspect counts as an attempt, after which the part
//	has to become a suspect again.
//
// An outage of any length therefore costs no part an attempt, except one attempt of the one or two parts that were the
// only ones to meet it; and a poison part is a dead letter after two attempts more than its retries. A restart forgets
// suspects, which gives them one more free attempt.
type blame struct {
	run      []string // the parts that failed since the receiver last answered, each once, at most gateFailures
	suspects map[string]struct{}
}

// maxSuspects bounds the memory. A suspect that is forgotten has one more free attempt.
const maxSuspects = 1024

// failed notes a failure of a part and reports whether it counts.
func (b *blame) failed(key string) (counts bool) {
	_, counts = b.suspects[key]
	delete(b.suspects, key)
	if len(b.run) < gateFailures && !slices.Contains(b.run, key) {
		b.run = append(b.run, key)
	}
	return counts
}

// answered notes that the receiver has answered for a part.
func (b *blame) answered(key string) {
	delete(b.suspects, key)
	if len(b.run) < gateFailures {
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
