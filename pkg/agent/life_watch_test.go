package agent_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/scan/pool"
	"github.com/rediverio/sdk/pkg/watch"
)

// watchedTypes are recorded by a watcher if the system supports one.
var watchedTypes = []event.Type{event.ProcessWarning, event.ProcessStopped, event.CacheCleanup}

// pooledServers has a server that answers its first call, and answers the second one with the number of the first.
func (l *life) pooledServers() {
	l.t.Helper()
	p, err := pool.New(pool.Config{
		Command: []string{"/bin/sh", "-c", `while read request; do echo '{"jsonrpc":"2.0","id":1,"result":"pong"}'; done`}, Sink: &l.events,
	})
	must(l.t, err)
	defer p.Close(l.t.Context())
	must(l.t, p.Start(l.t.Context()))
	must(l.t, p.Call(l.t.Context(), "ping", nil, nil))
	var broken *pool.Error
	if err := p.Call(l.t.Context(), "ping", nil, nil); !errors.As(err, &broken) || broken.Cause != pool.Garbage {
		l.t.Errorf("second call = %v", err)
	}
}

// watchedHost has an orphaned process, watched first in a dry run and then in earnest, and a cache over its size.
func (l *life) watchedHost() {
	l.t.Helper()
	if !watch.Supported() {
		return
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1<<40))
	must(l.t, err)
	token := "100." + n.String() // seconds to sleep, an argument that no other process has
	must(l.t, exec.Command("/bin/sh", "-c", "sleep "+token+" >/dev/null 2>&1 &").Run())
	dir := l.t.TempDir()
	must(l.t, os.WriteFile(filepath.Join(dir, "big"), bytes.Repeat([]byte("x"), 2<<20), 0o600))
	c := watch.Config{
		Rules: []watch.Rule{{Name: "sleepers", Pattern: "sleep " + strings.ReplaceAll(token, ".", `\.`), MaxAge: time.Second}},
		Dirs:  []watch.Dir{{Path: dir, MaxBytes: 1 << 20, MinAge: 1}}, Sink: &l.events,
		MaxZombies: 1 << 22, // the zombies of the host are not ours
	}
	for _, enforce := range []bool{false, true} {
		c.Enforce = enforce
		w, err := watch.New(c)
		must(l.t, err)
		testkit.Eventually(l.t, "finding of a process that is old enough", func() bool {
			look, err := w.Once(l.t.Context())
			must(l.t, err)
			return len(look.Findings) == 1
		})
	}
}
