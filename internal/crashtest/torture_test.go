package crashtest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A plain `go test` does as many rounds, and begins none after so long.
const (
	fewRounds = 4
	fewTime   = 3 * time.Second
)

// Whatever dies and whenever: no accepted report is lost, none is stored twice, the disk is bounded, and the numbers add up.
func TestTorture(t *testing.T) {
	torture(t, *rounds, "")
}

// torture does so many rounds, 0 for a few. smallDisk is where there is next to no room for the agent's store; empty: it
// lies where everything does.
func torture(t *testing.T, rounds int, smallDisk string) {
	n, s := cmp.Or(rounds, fewRounds), cmp.Or(*seed, rand.Uint64N(1<<32))
	t.Logf("%d rounds, SEED=%d", n, s)
	sum := tally{steps: map[string]int{}}
	begun := time.Now()
	last := begun
	for i := range n {
		if rounds == 0 && time.Since(begun) > fewTime {
			break
		}
		one := newRound(t, s+uint64(i), smallDisk)
		one.run()
		sum.add(one)
		if bad := one.ledger.violations; len(bad) > 0 {
			t.Fatalf("round %d, seed %d:\n\t%s\nfor this round alone: make torture ROUNDS=1 SEED=%d",
				i+1, one.Seed, strings.Join(bad[:min(len(bad), 20)], "\n\t"), one.Seed)
		}
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			fmt.Fprintf(os.Stderr, "torture: round %d of %d, seed %d; %v\n", i+1, n, one.Seed, &sum)
		}
	}
	t.Log(&sum)
	for _, step := range slices.Sorted(maps.Keys(victimSteps)) {
		t.Logf("%4d died at %q", sum.steps[step], step)
	}
	if sum.accepted < 5*(sum.rounds-1) || sum.rounds > 20 && sum.died < sum.rounds {
		t.Error("this shows nothing")
	}
}

// tally is what all rounds did.
type tally struct {
	rounds, lives, died, servers, accepted, full, recanted int
	steps                                                  map[string]int // deaths by step
}

func (s *tally) add(r *round) {
	s.rounds++
	s.lives += len(r.lives)
	s.died += r.died
	s.servers += r.serversDied
	s.accepted += r.ledger.accepted
	s.full += r.ledger.full
	s.recanted += len(r.ledger.recanted)
	for _, step := range r.steps {
		s.steps[step]++
	}
}

func (s *tally) String() string {
	return fmt.Sprintf("%d lives, %d victims and %d servers died, %d reports accepted, %d refused because the store was full, %d recanted",
		s.lives, s.died, s.servers, s.accepted, s.full, s.recanted)
}
