package watch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

// Parent is a process that does not reap its children. Nobody else can: when it ends, they go.
type Parent struct {
	PID     int    `json:"pid"`
	Start   uint64 `json:"start"`
	Name    string `json:"name"`
	Zombies int    `json:"zombies"`
}

// maxParents bounds the list of a look.
const maxParents = 100

// zombies counts them by parent, most first.
func zombies(all []proc.Process) []Parent {
	count := map[int]int{}
	for _, p := range all {
		if p.Zombie {
			count[p.Parent]++
		}
	}
	out := []Parent{}
	for _, p := range all {
		if n := count[p.PID]; n > 0 {
			out = append(out, Parent{PID: p.PID, Start: p.Start, Name: clip(p.Name), Zombies: n})
		}
	}
	slices.SortFunc(out, func(a, b Parent) int { return cmp.Or(cmp.Compare(b.Zombies, a.Zombies), cmp.Compare(a.PID, b.PID)) })
	return out[:min(len(out), maxParents)]
}

// reportZombies records each parent that has reached Config.MaxZombies, once until it is below again.
func (w *Watcher) reportZombies(parents []Parent) {
	told := map[key]bool{}
	for _, p := range parents {
		if w.cfg.MaxZombies < 0 || p.Zombies < w.cfg.MaxZombies {
			continue
		}
		k := key{p.PID, p.Start}
		told[k] = true
		if w.told[k] {
			continue
		}
		w.cfg.Sink.Record(event.Event{
			Timestamp: time.Now(), Type: event.ProcessWarning, Severity: event.Warn,
			Message: fmt.Sprintf("process %d (%s) does not reap its children: %d zombies", p.PID, p.Name, p.Zombies),
			Details: map[string]any{
				"pid": p.PID, "start": p.Start, "boot_id": w.boot, "name": p.Name, "reason": string(Zombies), "level": string(Soft),
				"value": p.Zombies, "limit": w.cfg.MaxZombies, "action": string(Warned),
			},
		})
	}
	w.told = told
}
