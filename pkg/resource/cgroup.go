package resource

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDepth bounds how many ancestors of a control group are looked at, maxFile what is read of a file.
const (
	maxDepth = 32
	maxFile  = 4 << 20
)

// groups reads the control groups of this process: for each resource its own group and all ancestors that can be
// seen, in whichever version of the hierarchy owns the resource. A limit often sits on an ancestor only.
type groups struct {
	root string // "/", or a directory with the same layout; empty: there are none

	seen      string  // /proc/self/cgroup as of the last refresh
	memGroups []group // own group first
	cpuGroups []group
	unified   string // own group's directory in a version 2 hierarchy; empty: none

	usage map[string]cpuUsage // by directory
	kills map[string]int64
}

// group is one level.
type group struct {
	version int    // 1 or 2
	name    string // below the mount
	dir     string
	acct    string // version 1: directory of the CPU accounting for the same level
}

func (g group) source() string { return fmt.Sprintf("cgroup%d:%s", g.version, g.name) }

type cpuUsage struct {
	at      time.Time
	used    time.Duration
	percent float64
	known   bool

	periods, stopped int64   // of the quota, and those in which tasks were stopped, since the group was made
	throttled        float64 // percent of them, of the newest window
}

func newGroups(root string) *groups {
	return &groups{root: root, usage: map[string]cpuUsage{}, kills: map[string]int64{}}
}

// refresh finds the groups anew when the process was moved.
func (g *groups) refresh() {
	if g.root == "" {
		return
	}
	own, err := readSmall(filepath.Join(g.root, "proc/self/cgroup"))
	if err != nil || own == g.seen {
		return
	}
	mountinfo, err := readSmall(filepath.Join(g.root, "proc/self/mountinfo"))
	if err != nil {
		return
	}
	g.seen = own
	mounts := parseMounts(mountinfo)
	paths := parseOwn(own)
	g.memGroups = g.levels("memory", "memory.limit_in_bytes", mounts, paths)
	g.cpuGroups = g.levels("cpu", "cpu.cfs_quota_us", mounts, paths)
	g.unified = ""
	if unified := g.chain(mounts[""], paths[""], 2); len(unified) > 0 {
		g.unified = unified[0].dir
	}
	acct := g.chain(mounts["cpuacct"], paths["cpuacct"], 1)
	for i, level := range g.cpuGroups {
		if j := slices.IndexFunc(acct, func(a group) bool { return a.name == level.name }); j >= 0 && level.version == 1 {
			g.cpuGroups[i].acct = acct[j].dir
		}
	}
}

// levels is the chain of groups for a controller: version 1 if that owns it, otherwise version 2.
func (g *groups) levels(controller, probe string, mounts map[string]mount, paths map[string]string) []group {
	if v1 := g.chain(mounts[controller], paths[controller], 1); len(v1) > 0 {
		if _, err := os.Stat(filepath.Join(v1[0].dir, probe)); err == nil || len(v1) > 1 {
			return v1
		}
	}
	return g.chain(mounts[""], paths[""], 2)
}

// chain lists the group at own and its ancestors up to the mount.
func (g *groups) chain(m mount, own string, version int) []group {
	if m.point == "" || own == "" {
		return nil
	}
	// A container sees its own part of the hierarchy: the mount's root is cut off the path. A path that leads out
	// of the mount says no more than that we are somewhere in it.
	name := path.Clean("/" + own)
	if m.root != "/" {
		rest, ok := strings.CutPrefix(name, m.root)
		if !ok || rest != "" && rest[0] != '/' {
			rest = ""
		}
		name = path.Clean("/" + rest)
	}
	var chain []group
	for range maxDepth {
		dir := filepath.Join(g.root, m.point, name)
		if _, err := os.Stat(dir); err == nil {
			chain = append(chain, group{version: version, name: name, dir: dir})
		}
		if name == "/" {
			break
		}
		name = path.Dir(name)
	}
	return chain
}

// mount is where a hierarchy is seen.
type mount struct {
	root  string // the group it shows as its root
	point string
}

// parseMounts finds the control-group mounts in /proc/self/mountinfo, by controller; "" is version 2.
func parseMounts(text string) map[string]mount {
	mounts := map[string]mount{}
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		f, t := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(t) < 3 {
			continue
		}
		m := mount{root: path.Clean(unescape(f[3])), point: unescape(f[4])}
		switch t[0] {
		case "cgroup2":
			if _, dup := mounts[""]; !dup {
				mounts[""] = m
			}
		case "cgroup":
			for _, controller := range strings.Split(t[2], ",") {
				if _, dup := mounts[controller]; !dup && controller != "" {
					mounts[controller] = m
				}
			}
		}
	}
	return mounts
}

// parseOwn reads /proc/self/cgroup into a path by controller; "" is version 2.
func parseOwn(text string) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(f) != 3 || f[2] == "" {
			continue
		}
		for _, controller := range strings.Split(f[1], ",") {
			paths[controller] = f[2]
		}
	}
	return paths
}

// unescape resolves the \040 of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// readSmall reads a file that should be small.
func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(b), err
}

// readNumber reads a file that holds one number; "max" and what is beyond int64 is math.MaxInt64.
func readNumber(name string) (int64, error) {
	text, err := readSmall(name)
	if err != nil {
		return 0, err
	}
	return parseNumber(strings.TrimSpace(text))
}

func parseNumber(s string) (int64, error) {
	if s == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) && s[0] != '-' {
		return math.MaxInt64, nil
	}
	return n, err
}

// readStat reads a file of lines "name number".
func readStat(name string) map[string]int64 {
	text, _ := readSmall(name)
	stat := map[string]int64{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := parseNumber(value); err == nil {
			stat[key] = n
		}
	}
	return stat
}
