package resource

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"

	"github.com/rediverio/sdk/pkg/event"
)

func TestKeptFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	k, r := &cachedFile{name: name}, &reader{}
	defer k.close()
	want := func(what, text string, failed bool) {
		t.Helper()
		r.errs = nil
		if got := string(r.read(k)); got != text || (len(r.errs) > 0) != failed {
			t.Errorf("%s: %q, errors %v; want %q, failed %v", what, got, r.errs, text, failed)
		}
	}
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want("never there", "", false)
	put("1\n")
	for range retrySamples {
		want("not looked for each time", "", false)
	}
	want("there", "1\n", false)
	put("2\n")
	want("changed", "2\n", false)
	long := strings.Repeat("x", 100<<10)
	put(long)
	want("longer than the buffer", long, false)
	put("3\n")

	k.f.Close() // the descriptor begins to fail
	want("opened again", "3\n", false)
	k.f.Close()
	if err := os.Rename(name, name+"-"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil { // opens, and cannot be read
		t.Fatal(err)
	}
	want("fails for good", "", true)
	want("fails for good, told each time", "", true)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	want("gone", "", false)
	if !r.gone {
		t.Error("it was not said that the file is gone")
	}
}

// A sample by hand reads open files only: one allocation, of the pressure that it returns.
func TestSampleByHandAllocates(t *testing.T) {
	for _, name := range []string{"v2-parent", "v1-hybrid"} {
		_, g := fixture(t, name)
		m := SystemMetrics{NumCPU: 4, Timestamp: time.Now()}
		sample := func() {
			m.Timestamp = m.Timestamp.Add(time.Second)
			if err := g.sample(&m); err != nil {
				t.Fatal(err)
			}
		}
		sample()
		if n := testing.AllocsPerRun(10, sample); n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Files of a group that is gone are found again where the process is now, and none stays open.
func TestFilesFollowTheProcess(t *testing.T) {
	dir, g := fixture(t, "v2-parent")
	m := host16()
	if err := g.sample(&m); err != nil {
		t.Fatal(err)
	}
	before := g.memory[0]
	if err := os.RemoveAll(filepath.Join(dir, "sys/fs/cgroup/system.slice")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "proc/self/cgroup", "0::/\n")
	write(t, dir, "sys/fs/cgroup/memory.max", "134217728\n")
	write(t, dir, "sys/fs/cgroup/memory.current", "120000000\n")
	m = host16()
	if err := g.sample(&m); err != nil || m.MemorySource != "cgroup2:/" {
		t.Errorf("memory by %s, %v", m.MemorySource, err)
	}
	if before.current.f != nil || before.stat.f != nil {
		t.Error("files of the group before are still open")
	}
	g.close()
	if g.own.f != nil || g.memory[0].current.f != nil {
		t.Error("files are open after close")
	}
}

// sick is a machine whose sources fail one by one.
type sick struct{ cpuErr, memErr error }

func (s *sick) times(context.Context) (cpu.TimesStat, error) {
	now := float64(time.Now().UnixMilli()) / 1000
	return cpu.TimesStat{User: now / 10, Idle: now * 9 / 10}, s.cpuErr
}

func (s *sick) memory(context.Context) (available, total int64, err error) {
	return 15 * gb, 16 * gb, s.memErr
}

// guarded is a sampler whose sources a test may change between two samples.
type guarded struct {
	mu sync.Mutex
	*systemSampler
}

func (g *guarded) Sample(ctx context.Context) (SystemMetrics, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.systemSampler.Sample(ctx)
}

func (g *guarded) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	g.groups.closeGroups() // so that a removed file is not read on
}

// A source that begins to fail is reported, and admission fails to the side that the config names; it resumes when
// the source answers again.
func TestEachSourceThatFails(t *testing.T) {
	broken := errors.New("input/output error")
	const own = "sys/fs/cgroup/system.slice/agent.service/memory.current"
	spoil := map[string]func(dir string, s *sick, bad bool){
		"CPU of the host":    func(_ string, s *sick, bad bool) { s.cpuErr = map[bool]error{true: broken}[bad] },
		"memory of the host": func(_ string, s *sick, bad bool) { s.memErr = map[bool]error{true: broken}[bad] },
		"a control group": func(dir string, _ *sick, bad bool) {
			name := filepath.Join(dir, own)
			os.Remove(name)
			if bad {
				os.Mkdir(name, 0o700)
			} else {
				os.WriteFile(name, []byte("1\n"), 0o600)
			}
		},
	}
	for source, spoil := range spoil {
		for _, closed := range []bool{false, true} {
			dir, g := fixture(t, "v2-parent")
			g.close()
			synctest.Test(t, func(t *testing.T) {
				machine, sink := &sick{}, &recorder{}
				s := &guarded{systemSampler: &systemSampler{host: host{machine: machine}, groups: g, disks: newDiskMeter(nil)}}
				defer s.close()
				c := start(t, s, func(cfg *ControllerConfig) { cfg.ThrottleWhenStale, cfg.Sink = closed, sink })
				after(5)
				if st := c.GetStatus(); st.Throttled || st.SampleError != "" {
					t.Fatalf("%s: healthy, but %+v", source, st)
				}
				s.change(func() { spoil(dir, machine, true) })
				after(5)
				if st := c.GetStatus(); st.Throttled != closed || st.SampleError == "" || !st.Metrics.Stale {
					t.Errorf("%s fails, ThrottleWhenStale %v: %+v", source, closed, st)
				}
				if n := sink.count(event.ResourceWarning); n != 1 {
					t.Errorf("%s: %d warnings", source, n)
				}
				s.change(func() { spoil(dir, machine, false) })
				after(8)
				if st := c.GetStatus(); st.Throttled || st.SampleError != "" {
					t.Errorf("%s answers again: %+v", source, st)
				}
			})
		}
	}
}
