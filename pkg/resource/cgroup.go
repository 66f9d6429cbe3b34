package resource

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// maxDepth bounds the number of ancestors of a control group that are read.
const maxDepth = 32

// groups reads the control groups of this process: for each resource its own group and all visible ancestors, in the version
// of the hierarchy that owns the resource. Often only an ancestor has a limit.
type groups struct {
	root   string // "/" or a directory with the same layout; empty: no control groups
	reader reader

	own  cachedFile // /proc/self/cgroup
	seen string     // its content when the groups were found

	memory   []*memoryGroup // own group first
	cpu      []*cpuGroup
	cpus     cpuSet
	pressure pressureMeter
}

// place is the location of one level.
type place struct {
	version int    // 1 or 2
	name    string // below the mount
	dir     string
}

func (p place) source() string { return fmt.Sprintf("cgroup%d:%s", p.version, p.name) }

func (p place) file(name string) cachedFile { return cachedFile{name: filepath.Join(p.dir, name)} }

func newGroups(root string) *groups {
	g := &groups{root: root}
	if root != "" {
		g.own.name = filepath.Join(root, "proc/self/cgroup")
	}
	return g
}

// refresh finds the groups again after the process was moved or one of their files disappeared.
func (g *groups) refresh() {
	own := g.reader.read(&g.own)
	if own == nil || string(own) == g.seen && !g.reader.gone {
		return
	}
	mountinfo, err := readSmall(filepath.Join(g.root, "proc/self/mountinfo"))
	if err != nil {
		return
	}
	g.closeGroups()
	g.seen, g.reader.gone = string(own), false
	mounts, paths := parseMounts(mountinfo), parseOwn(g.seen)
	g.memory, g.cpu = nil, nil
	for _, p := range g.levels("memory", "memory.limit_in_bytes", mounts, paths) {
		g.memory = append(g.memory, newMemoryGroup(p))
	}
	acct := g.chain(mounts["cpuacct"], paths["cpuacct"], 1)
	for _, p := range g.levels("cpu", "cpu.cfs_quota_us", mounts, paths) {
		g.cpu = append(g.cpu, newCPUGroup(p, acct))
	}
	g.cpus = newCPUSet(g.root, g.levels("cpuset", "cpuset.cpus", mounts, paths))
	g.pressure = newPressureMeter(g.root, g.chain(mounts[""], paths[""], 2))
}

// sample adds the numbers of the groups. The error names the files that could be read before and cannot be read now.
func (g *groups) sample(m *SystemMetrics) error {
	g.reader.errs = nil
	g.refresh()
	g.readCPU(m)
	g.readMemory(m)
	m.Pressure = g.pressure.read(&g.reader, m.Timestamp)
	return errors.Join(g.reader.errs...)
}

// close closes all files. A later refresh opens them again.
func (g *groups) close() {
	g.own.close()
	g.closeGroups()
	g.seen = ""
}

func (g *groups) closeGroups() {
	for _, m := range g.memory {
		m.close()
	}
	for _, c := range g.cpu {
		c.close()
	}
	g.cpus.close()
	g.pressure.close()
}

// levels returns the chain of groups for a controller: of version 1 if that owns the controller, otherwise of version 2.
func (g *groups) levels(controller, probe string, mounts map[string]mount, paths map[string]string) []place {
	if v1 := g.chain(mounts[controller], paths[controller], 1); len(v1) > 0 {
		if _, err := os.Stat(filepath.Join(v1[0].dir, probe)); err == nil || len(v1) > 1 {
			return v1
		}
	}
	return g.chain(mounts[""], paths[""], 2)
}

// chain returns the group at own and its ancestors up to the mount.
func (g *groups) chain(m mount, own string, version int) []place {
	if m.point == "" || own == "" {
		return nil
	}
	// A container sees only its part of the hierarchy, so the root of the mount is removed from the path. A path outside
	// of the mount only shows that the process is somewhere in it.
	name := path.Clean("/" + own)
	if m.root != "/" {
		rest, ok := strings.CutPrefix(name, m.root)
		if !ok || rest != "" && rest[0] != '/' {
			rest = ""
		}
		name = path.Clean("/" + rest)
	}
	var chain []place
	for range maxDepth {
		dir := filepath.Join(g.root, m.point, name)
		if _, err := os.Stat(dir); err == nil {
			chain = append(chain, place{version, name, dir})
		}
		if name == "/" {
			break
		}
		name = path.Dir(name)
	}
	return chain
}

// mount is a mounted hierarchy.
type mount struct {
	root  string // the group at the mount point
	point string
}

// parseMounts returns the control group mounts of /proc/self/mountinfo by controller; "" is version 2.
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

// parseOwn returns the paths of /proc/self/cgroup by controller; "" is version 2.
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

// unescape replaces the octal escapes of mountinfo, such as \040.
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

// readSmall reads at most maxFile bytes of a file.
func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(b), err
}
