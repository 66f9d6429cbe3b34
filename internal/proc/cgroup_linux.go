package proc

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// leaves is the control group in which each child gets one of its own.
type leaves struct {
	dir    string
	limits []string // the controllers that leaves have
}

// leafPrefix begins the name of a leaf; the owner follows, then what makes it unlike any other.
const leafPrefix = "rediver-"

// wantedLimits are the controllers that leaves are to have.
var wantedLimits = []string{"memory", "pids", "cpu"}

// findLeaves tries the group in which this process may make others. The note says which limits a leaf cannot hold, and
// why.
func findLeaves() (*leaves, string, error) {
	l, err := ownLeaves()
	if err != nil {
		return nil, "", err
	}
	note := l.enable()
	return l, note, l.try()
}

// ownLeaves returns that group: our own, or the one above when the service manager has put us beside the groups that we
// make.
func ownLeaves() (*leaves, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	dir, ok := ownGroup(own, mounts)
	if !ok {
		return nil, errors.New("no cgroup2 file system shows the group of this process")
	}
	if parent := filepath.Dir(dir); delegated(parent) {
		dir = parent
	}
	return &leaves{dir: dir}, nil
}

// ownGroup returns the directory of the process's group, given /proc/self/cgroup and /proc/self/mountinfo.
func ownGroup(own, mounts []byte) (dir string, ok bool) {
	var name string
	for line := range strings.Lines(string(own)) {
		rest, unified := strings.CutPrefix(strings.TrimRight(line, "\n"), "0::")
		if unified && !strings.Contains(rest, "/..") { // that leads out of our view
			name = path.Join("/", rest)
		}
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if name == "" || len(f) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, point := octal.Replace(f[3]), octal.Replace(f[4])
		if rest, below := strings.CutPrefix(name+"/", strings.TrimSuffix(root, "/")+"/"); below {
			return filepath.Join(point, rest), true
		}
	}
	return "", false
}

// octal resolves what mountinfo writes for the characters that part its fields.
var octal = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// delegated says whether the service manager has given the group to its service, to make groups in it.
func delegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var b [1]byte
		if n, err := unix.Getxattr(dir, name, b[:]); err == nil && n == 1 && b[0] == '1' {
			return true
		}
	}
	return false
}

// enable gives leaves their controllers as far as possible, and says which are missing. A group that holds processes, the
// root alone excepted, cannot share out what it has; to try would make it one in which no process can be started.
func (l *leaves) enable() (note string) {
	if !l.root() && readKernel(filepath.Join(l.dir, "cgroup.procs"), "") != 0 {
		return "no limits: there are processes in " + l.dir + " itself, see DelegateSubgroup= of systemd"
	}
	have, _ := os.ReadFile(filepath.Join(l.dir, "cgroup.controllers")) // try tells of it when there is none
	var missing []string
	for _, c := range wantedLimits {
		err := errors.New("not there")
		if slices.Contains(strings.Fields(string(have)), c) {
			err = writeKernel(filepath.Join(l.dir, "cgroup.subtree_control"), "+"+c)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s (%v)", c, err))
			continue
		}
		l.limits = append(l.limits, c)
	}
	if len(missing) == 0 {
		return ""
	}
	return "no limits by the controllers " + strings.Join(missing, ", ")
}

// root says whether it is the root of all groups.
func (l *leaves) root() bool {
	_, err := os.Stat(filepath.Join(l.dir, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// try starts a process in a leaf and ends it.
func (l *leaves) try() error {
	leaf := l.leaf()
	fd, err := leaf.make(Spec{})
	if err != nil {
		return err
	}
	attr := groupAttr()
	attr.UseCgroupFD, attr.CgroupFD = true, fd
	err = tryStart(attr)
	_ = unix.Close(fd)
	if err == nil {
		err = leaf.kill() // which kernels before 5.14 cannot
	}
	return errors.Join(err, leaf.remove())
}

// leaf returns one that is not made yet.
func (l *leaves) leaf() *leaf {
	return &leaf{dir: filepath.Join(l.dir, leafPrefix+Owner()+"-"+strings.ToLower(rand.Text()[:8])), limits: l.limits}
}

// left returns the leaves whose owner is dead.
func (l *leaves) left() (left []*leaf) {
	entries, _ := os.ReadDir(l.dir) // a group that cannot be read holds nothing of ours
	for _, e := range entries {
		if OwnerDead(OwnerOf(e.Name(), leafPrefix)) {
			left = append(left, &leaf{dir: filepath.Join(l.dir, e.Name())})
		}
	}
	return left
}

// writeKernel puts a value into a file of the kernel.
func writeKernel(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// readKernel returns the value of a key in a file of "key value" lines, or of the whole file where key is empty; 0 when
// there is none.
func readKernel(file, key string) (n int64) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) > 0 && (key == "" || len(f) > 1 && string(f[0]) == key) {
			_, _ = fmt.Sscan(string(f[len(f)-1]), &n) // 0 for what is no number
			return n
		}
	}
	return 0
}
