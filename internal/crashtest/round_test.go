package crashtest

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// round is one world and what happens in it.
type round struct {
	t *testing.T
	world
	dir    string
	lives  []life
	ledger *ledger
	relay  *relay

	died, serversDied int
	steps             []string // at which victims died
}

func newRound(t *testing.T, seed uint64, smallDisk string) *round {
	dir, err := os.MkdirTemp(t.TempDir(), "round")
	if err != nil {
		t.Fatal(err)
	}
	r := &round{t: t, dir: dir, ledger: newLedger(), relay: newRelay(t)}
	r.world, r.lives = plan(world{
		Seed: seed, URL: r.relay.url(), DB: filepath.Join(cmp.Or(smallDisk, dir), "agent", "chunks.db"), SmallDisk: smallDisk != "",
		IngestDB: filepath.Join(dir, "server", "ingest.db"),
	})
	r.prepare()
	return r
}

// prepare makes both stores, so that there are tables for the steps.
func (r *round) prepare() {
	m, err := chunk.NewManager(storeConfig(r.world, 0, event.Nop))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		r.t.Fatal(err)
	}
	s, err := server.OpenStore(server.StoreConfig{Path: r.IngestDB})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// run lives all lives. It ends at the first one that breaks something, for the sake of who must find out why.
func (r *round) run() {
	for _, l := range r.lives {
		r.live(l)
		if l.Check {
			r.ledger.check(l)
		}
		if len(r.ledger.violations) > 0 {
			r.ledger.wrong("in %v", l)
			break
		}
	}
	r.relay.close()
	if err := errors.Join(os.RemoveAll(filepath.Dir(r.DB)), os.RemoveAll(r.dir)); err != nil {
		r.t.Error(err)
	}
}

// live runs one victim to its end, and servers beside it.
func (r *round) live(l life) {
	r.ledger.ended, r.ledger.left = false, ""
	servers, over := &sync.WaitGroup{}, make(chan struct{})
	ready := make(chan struct{})
	servers.Go(func() { r.serve(l.Server, ready, over) })
	<-ready
	disk := &sync.WaitGroup{}
	disk.Go(func() { r.weigh(over) })
	alive := make(chan struct{})
	v := start(r.t, r.dir, victimEnv, l, func(line string) {
		if line == "alive" {
			close(alive)
			return
		}
		r.ledger.hear(line)
	})
	if !l.Early {
		select {
		case <-alive:
		case <-v.ended:
		}
	}
	if l.EndAfter > 0 && !v.wait(l.EndAfter) {
		if l.Kill {
			v.kill()
		} else {
			v.end()
		}
	}
	if !v.wait(2 * stuck) {
		v.kill()
		r.ledger.wrong("the victim neither ends nor panics")
	}
	v.end()
	close(over)
	servers.Wait()
	disk.Wait()
	if !r.ledger.ended {
		r.died++
		if l.Step != "" {
			r.steps = append(r.steps, l.Step)
		}
	}
	if v.noise.Len() > 0 || l.Drain && !r.ledger.ended {
		r.ledger.wrong("the victim says: %.8000s", v.noise.String())
	}
}

// serve keeps a server behind the relay until the life is over.
func (r *round) serve(orders []serverLife, ready, over chan struct{}) {
	for i, o := range orders {
		var once sync.Once
		listening := make(chan struct{})
		s := start(r.t, r.dir, serverEnv, o, func(line string) {
			if addr, ok := strings.CutPrefix(line, "listening http://"); ok {
				r.relay.upstream.Store(&addr)
				once.Do(func() { close(listening) })
			} else if line != "PASS" {
				r.ledger.wrong("the server says %q", line)
			}
		})
		select {
		case <-listening:
		case <-s.ended: // it was to die before that, it seems
		}
		if i == 0 {
			close(ready)
		}
		var kill <-chan time.Time
		if o.KillAfter > 0 {
			kill = time.After(o.KillAfter)
		}
		select {
		case <-kill:
			s.kill()
		case <-s.ended:
		case <-over:
			s.end()
			if !s.wait(stuck / 2) {
				r.ledger.wrong("the server does not end")
			}
			s.kill()
			return
		}
		r.serversDied++
		select {
		case <-time.After(o.Away):
		case <-over:
			return
		}
	}
}

// weigh looks at the disk again and again.
func (r *round) weigh(over chan struct{}) {
	bound := int64(r.MaxStorageMB)<<20 + biggest
	if r.SmallDisk {
		return // it bounds itself
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var n int64
		for _, suffix := range []string{"", "-wal", ".reserve"} {
			if st, err := os.Stat(r.DB + suffix); err == nil { // a missing file takes nothing
				n += st.Size()
			}
		}
		if n > bound {
			r.ledger.wrong("%d bytes on disk, the bound is %d", n, bound)
			return
		}
		select {
		case <-over:
			return
		case <-tick.C:
		}
	}
}
