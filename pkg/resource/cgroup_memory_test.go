package resource

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// tree makes a file tree of its paths and contents, as fixture does of testdata.
func tree(t *testing.T, files map[string]string) (dir string, g *groups) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, text)
	}
	g = newGroups(dir)
	g.refresh()
	t.Cleanup(g.close)
	return dir, g
}

const (
	mountV2      = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	mountsHybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n" +
		"34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)

// The level that is short counts, wherever it is, and none where there is no limit.
func TestTightestLevelOfMemory(t *testing.T) {
	const mb = 1 << 20
	v2 := func(max, current [3]int) map[string]string {
		files := map[string]string{"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": mountV2}
		for i, dir := range []string{"a/b/c", "a/b", "a"} {
			limit := "max\n"
			if max[i] > 0 {
				limit = fmt.Sprintln(max[i] * mb)
			}
			files["sys/fs/cgroup/"+dir+"/memory.max"] = limit
			files["sys/fs/cgroup/"+dir+"/memory.current"] = fmt.Sprintln(current[i] * mb)
		}
		return files
	}
	v1 := func(limit, usage [2]int, own string) map[string]string {
		files := map[string]string{"proc/self/cgroup": own, "proc/self/mountinfo": mountsHybrid}
		for i, dir := range []string{"", "/box"} {
			text := "9223372036854771712\n" // what version 1 says for no limit
			if limit[i] > 0 {
				text = fmt.Sprintln(limit[i] * mb)
			}
			files["sys/fs/cgroup/memory"+dir+"/memory.limit_in_bytes"] = text
			files["sys/fs/cgroup/memory"+dir+"/memory.usage_in_bytes"] = fmt.Sprintln(usage[i] * mb)
		}
		return files
	}
	for _, c := range []struct {
		name   string
		files  map[string]string
		source string
		left   int64 // MB
	}{
		{"v2, the middle of three", v2([3]int{800, 500, 900}, [3]int{100, 450, 600}), "cgroup2:/a/b", 50},
		{"v2, the outermost alone", v2([3]int{0, 0, 600}, [3]int{10, 20, 500}), "cgroup2:/a", 100},
		{"v2, no limit", v2([3]int{}, [3]int{100, 200, 300}), "host", 16 << 10 * 9 / 10},
		{"v2, a limit above the machine's", v2([3]int{1 << 20}, [3]int{100}), "host", 16 << 10 * 9 / 10},
		{"v1, own", v1([2]int{0, 128}, [2]int{4000, 120}, "4:memory:/box\n0::/\n"), "cgroup1:/box", 8},
		{"v1, no limit", v1([2]int{}, [2]int{4000, 120}, "4:memory:/box\n0::/\n"), "host", 16 << 10 * 9 / 10},
		{"v1, in the root, as here", v1([2]int{}, [2]int{4000, 0}, "4:memory:/\n0::/\n"), "host", 16 << 10 * 9 / 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, g := tree(t, c.files)
			m := host16()
			g.readMemory(&m)
			if m.MemorySource != c.source || m.MemoryAvailableBytes>>20 != c.left {
				t.Errorf("%d MB left by %s, want %d by %s", m.MemoryAvailableBytes>>20, m.MemorySource, c.left, c.source)
			}
		})
	}
}

// Each event counts once, from when we look; what a group without a limit holds beside us is no concern of ours.
func TestMemoryEvents(t *testing.T) {
	const v2 = "sys/fs/cgroup/"
	dir, g := tree(t, map[string]string{
		"proc/self/cgroup": "0::/all/unit/agent\n", "proc/self/mountinfo": mountV2,
		v2 + "all/memory.max": "max\n", v2 + "all/memory.current": "1\n", v2 + "all/memory.events": "max 1\n",
		v2 + "all/unit/memory.max": "1000\n", v2 + "all/unit/memory.current": "1\n",
		v2 + "all/unit/memory.events":        "high 5\nmax 7\noom 1\noom_kill 9\n",
		v2 + "all/unit/agent/memory.max":     "max\n",
		v2 + "all/unit/agent/memory.current": "1\n",
		v2 + "all/unit/agent/memory.events":  "low 0\nhigh 0\nmax 0\noom 0\noom_kill 3\n",
	})
	news := func() (e memoryEvents) {
		m := host16()
		g.readMemory(&m)
		return memoryEvents{m.MemoryHighEvents, m.MemoryMaxEvents, m.OOMEvents, m.OOMKills}
	}
	want := func(what string, want memoryEvents) {
		t.Helper()
		if got := news(); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	want("what was before our time", memoryEvents{})
	write(t, dir, v2+"all/memory.events", "max 999\noom_kill 999\n")
	want("a group without a limit", memoryEvents{})
	write(t, dir, v2+"all/unit/memory.events", "high 6\nmax 17\noom 3\noom_kill 11\n")
	want("the group with the limit", memoryEvents{high: 1, max: 10, oom: 2})
	want("the same again", memoryEvents{})
	write(t, dir, v2+"all/unit/agent/memory.events", "oom_kill 5\n")
	want("kills of ours", memoryEvents{oomKill: 2})
	write(t, dir, v2+"all/unit/agent/memory.events", "oom_kill 1\n")
	want("a counter that began anew", memoryEvents{})
}

func TestMemoryEventsOfVersion1(t *testing.T) {
	dir, g := fixture(t, "v1-hybrid")
	const own = "sys/fs/cgroup/memory/box/agent/"
	news := func() [2]int64 {
		m := host16()
		g.readMemory(&m)
		return [2]int64{m.MemoryMaxEvents, m.OOMKills}
	}
	if n := news(); n != [2]int64{} {
		t.Errorf("%v before our time were counted", n)
	}
	write(t, dir, own+"memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
	write(t, dir, "sys/fs/cgroup/memory/box/memory.failcnt", "12\n") // the level that has the limit
	if n := news(); n != [2]int64{8, 2} {
		t.Errorf("%v, want 8 times at the limit and 2 kills", n)
	}
	if n := news(); n != [2]int64{} {
		t.Errorf("%v were counted again", n)
	}
}
