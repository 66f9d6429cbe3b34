package proc

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever a tree does between its samples, the account never falls, and never says more than was used.
func TestCPUAccountOfRandomTrees(t *testing.T) {
	for seed := range uint64(300) {
		var (
			r        = rand.New(rand.NewPCG(seed, 1))
			alive    = []stat{{identity: identity{1, 1}}}
			zombies  []stat
			used     time.Duration
			a        cpuAccount
			before   time.Duration
			lastPid  = 1
			indexOf  = func(pid int) int { return indexPid(alive, pid) }
			inherits = func(parent int, s stat) {
				if i := indexOf(parent); i >= 0 {
					alive[i].waited += s.cpu + s.waited
				}
			}
		)
		for step := range 200 {
			switch i := r.IntN(len(alive)); r.IntN(6) {
			case 0, 1: // it computes
				d := time.Duration(r.IntN(100))
				alive[i].cpu += d
				used += d
			case 2: // it forks
				lastPid++
				alive = append(alive, stat{identity: identity{lastPid, uint64(step)}, ppid: alive[i].pid})
			case 3: // it ends: waited for at once, later, or never; its children lose their parent
				if i == 0 {
					continue
				}
				s := alive[i]
				alive = append(alive[:i], alive[i+1:]...)
				for j := range alive {
					if alive[j].ppid == s.pid {
						alive[j].ppid = 0
					}
				}
				switch r.IntN(3) {
				case 0:
					inherits(s.ppid, s)
				case 1:
					s.zombie = true
					zombies = append(zombies, s)
				}
			case 4: // a parent waits
				for _, z := range zombies {
					inherits(z.ppid, z)
				}
				zombies = nil
			case 5:
				got := a.add(append(append([]stat{}, alive...), zombies...))
				if got < before || got > used {
					t.Fatalf("seed %d, step %d: %d after %d, and %d were used", seed, step, got, before, used)
				}
				before = got
			}
		}
	}
}

func indexPid(all []stat, pid int) int {
	for i, s := range all {
		if s.pid == pid {
			return i
		}
	}
	return -1
}
