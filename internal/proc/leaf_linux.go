package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// leaf is the control group of one child: whatever the child starts is born in it.
type leaf struct {
	dir    string
	limits []string // the controllers it has
}

// make makes the group, with the limits of the spec, and returns a handle for starting a process in it. When it fails,
// there is no group.
func (l *leaf) make(spec Spec) (fd int, err error) {
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		return -1, err
	}
	if err = l.limit(spec); err == nil {
		fd, err = unix.Open(l.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return -1, errors.Join(err, l.remove())
	}
	return fd, nil
}

// limit sets the limits of the spec, as far as the group has controllers for them. A tree that is over its memory is
// killed as a whole: one of which the kernel picked a single process would go on as a cripple.
func (l *leaf) limit(spec Spec) error {
	var errs []error
	set := func(controller, file, value string) {
		if !slices.Contains(l.limits, controller) {
			return
		}
		if err := writeKernel(filepath.Join(l.dir, file), value); err != nil && !errors.Is(err, fs.ErrNotExist) { // no swap: no file
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	if spec.MemoryBytes > 0 {
		set("memory", "memory.max", strconv.FormatInt(spec.MemoryBytes, 10))
		set("memory", "memory.swap.max", "0")
	}
	set("memory", "memory.oom.group", "1")
	if spec.MaxProcesses > 0 {
		set("pids", "pids.max", strconv.Itoa(spec.MaxProcesses))
	}
	if spec.Nice > 0 {
		set("cpu", "cpu.weight.nice", strconv.Itoa(spec.Nice))
	}
	return errors.Join(errs...)
}

// procs returns the processes in it, and in groups that a child has made below it.
func (l *leaf) procs() map[int]bool {
	all := map[int]bool{}
	l.walk(func(dir string) {
		b, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // gone: no processes
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				all[pid] = true
			}
		}
	})
	return all
}

// walk visits the group and those below it, the innermost first.
func (l *leaf) walk(visit func(dir string)) {
	var dirs []string
	_ = filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what is gone meanwhile needs no visit
	})
	for _, dir := range slices.Backward(dirs) {
		visit(dir)
	}
}

// kill kills every process in it, and those being forked.
func (l *leaf) kill() error { return writeKernel(filepath.Join(l.dir, "cgroup.kill"), "1") }

// empty says whether no process is left in it.
func (l *leaf) empty() bool {
	b, err := os.ReadFile(filepath.Join(l.dir, "cgroup.events"))
	return errors.Is(err, fs.ErrNotExist) || err == nil && strings.Contains(string(b), "populated 0")
}

// remove removes the group, and those below it. It holds no process by then.
func (l *leaf) remove() (err error) {
	l.walk(func(dir string) {
		if e := unix.Rmdir(dir); e != nil && e != unix.ENOENT {
			err = fmt.Errorf("remove %s: %w", dir, e)
		}
	})
	return err
}

// end kills what is in it until it is empty, and removes it.
func (l *leaf) end(deadline time.Time) error {
	err := l.kill()
	for !l.empty() && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond) // for the kernel to take them down
		err = l.kill()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, l.remove())
}

// cpu returns the user and system time of what is or was in it, 0 where the kernel does not say.
func (l *leaf) cpu() time.Duration {
	return time.Duration(readKernel(filepath.Join(l.dir, "cpu.stat"), "usage_usec")) * time.Microsecond
}

// overMemory says whether it ran into its own limit of memory.
func (l *leaf) overMemory() bool {
	return readKernel(filepath.Join(l.dir, "memory.events"), "oom") > 0
}

// account adds what the kernel has counted of the whole tree.
func (l *leaf) account(r *Result) {
	file := func(name string) string { return filepath.Join(l.dir, name) }
	if user, system := readKernel(file("cpu.stat"), "user_usec"), readKernel(file("cpu.stat"), "system_usec"); user+system > 0 {
		r.UserCPU, r.SystemCPU = time.Duration(user)*time.Microsecond, time.Duration(system)*time.Microsecond
		r.CPU = r.UserCPU + r.SystemCPU
	}
	r.CgroupMemory = readKernel(file("memory.peak"), "")
	r.OOMKills = readKernel(file("memory.events"), "oom_kill")
	r.ForksRefused = readKernel(file("pids.events"), "max")
}
