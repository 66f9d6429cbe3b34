package proc

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// Many short children leave nothing in this process, in the host's groups or among its processes, at any level.
func TestManyRunsLeaveNothing(t *testing.T) {
	count := func(pattern string) int {
		names, _ := filepath.Glob(pattern)
		return len(names)
	}
	for _, l := range []Level{Group, PIDNamespace, Cgroup} {
		t.Run(string(l), func(t *testing.T) {
			c := containment(t, l)
			groups := "/none"
			if c.leaves != nil {
				groups = filepath.Join(c.leaves.dir, leafPrefix+Owner()+"*")
			}
			once := func() {
				s := spec(t, "")
				s.Path, s.Args, s.Contain, s.Record = "/bin/true", nil, c, s.Stdout+".record"
				if res := run(t, t.Context(), s); res.ExitCode != 0 || res.Survivors != 0 {
					t.Fatalf("got %+v", res)
				}
			}
			once() // what stays once is no leak
			zombies := func() (n int) {
				for _, s := range withZombies() {
					if s.ppid == os.Getpid() {
						n++
					}
				}
				return n
			}
			files, goroutines, children := count("/proc/self/fd/*"), runtime.NumGoroutine(), zombies()
			for range 200 {
				once()
			}
			for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
				time.Sleep(time.Millisecond) // one that waits for an end is told of it a moment later
			}
			if f, g, z, d := count("/proc/self/fd/*"), runtime.NumGoroutine(), zombies(), count(groups); f > files || g > goroutines || z > children || d > 0 {
				t.Errorf("files %d, before %d; goroutines %d, before %d; children %d, before %d; groups %d", f, files, g, goroutines, z, children, d)
			}
			family.Lock()
			defer family.Unlock()
			if len(family.started) > 0 || len(family.trees) > 0 {
				t.Errorf("%d children and %d trees are remembered", len(family.started), len(family.trees))
			}
		})
	}
}
