package crashtest

import (
	"fmt"
	"strings"
	"sync"
)

// ledger is what the outside world knows: which reports were accepted and not taken back, and what went wrong.
type ledger struct {
	mu         sync.Mutex
	must       map[name]map[int]bool // versions that may not be lost
	recanted   map[name]bool         // an operator had a hand in it, once
	accepted   int
	full       int      // refusals
	violations []string // with what was wrong
	ended      bool     // the last victim ended in good order
	left       string   // what it said of its store, if it did
}

func newLedger() *ledger {
	return &ledger{must: map[name]map[int]bool{}, recanted: map[name]bool{}}
}

// hear notes a line of a victim.
func (l *ledger) hear(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	word, rest, _ := strings.Cut(line, " ")
	var n name
	var version int
	switch word {
	case "accepted":
		if _, err := fmt.Sscanf(rest, "%q %q %d", &n.tenant, &n.id, &version); err != nil {
			l.wrongLocked("%q: %v", line, err)
		}
		if l.must[n] == nil {
			l.must[n] = map[int]bool{}
		}
		l.must[n][version] = true
		l.accepted++
	case "recanted":
		if _, err := fmt.Sscanf(rest, "%q %q", &n.tenant, &n.id); err != nil {
			l.wrongLocked("%q: %v", line, err)
		}
		delete(l.must, n)
		l.recanted[n] = true
	case "full":
		l.full++
	case "ended":
		l.ended = true
	case "left":
		l.left = rest
	case "violation":
		l.wrongLocked("%s", rest)
	default:
		l.wrongLocked("the victim says %q", line)
	}
}

// wrong notes that an invariant is broken.
func (l *ledger) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrongLocked(format, args...)
}

func (l *ledger) wrongLocked(format string, args ...any) {
	l.violations = append(l.violations, fmt.Sprintf(format, args...))
}
