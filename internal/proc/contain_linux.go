package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// means is what a level takes.
type means struct {
	leaves *leaves // of Cgroup
	unpriv bool    // PIDNamespace takes a user namespace
}

// strongest returns the best level that Auto may take.
func strongest() (*Containment, error) { return contain(Cgroup) }

// contain tries a level.
func contain(want Level) (*Containment, error) {
	c := &Containment{level: want}
	var err error
	switch want {
	case Subreaper:
		err = becomeSubreaper()
	case PIDNamespace:
		c.unpriv, err = tryNamespace()
	case Cgroup:
		c.leaves, c.note, err = findLeaves()
	default:
		err = errors.New("there is no such level on Linux")
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// tryNamespace says whether a process namespace takes a user namespace, which needs no privilege where the host allows it.
func tryNamespace() (unpriv bool, err error) {
	for _, unpriv := range []bool{false, true} {
		if err = tryStart(namespaceAttr(unpriv)); err == nil {
			return unpriv, nil
		}
	}
	return false, fmt.Errorf("a process namespace needs CAP_SYS_ADMIN or user namespaces: %w", err)
}

// namespaceAttr is that of a child which is the first process of a process namespace. The child ends with the thread that
// starts it, so that thread must not end before.
func namespaceAttr(unpriv bool) *syscall.SysProcAttr {
	a := groupAttr()
	a.Cloneflags |= unix.CLONE_NEWPID
	a.Pdeathsig = unix.SIGKILL
	if unpriv {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// tryStart says whether a process could be started with attr, by starting a program that does not exist: when it is only
// that which fails, the process was there.
func tryStart(attr *syscall.SysProcAttr) error {
	_, err := syscall.ForkExec("/proc/self/no-such-program", []string{""}, &syscall.ProcAttr{Sys: attr})
	if err == syscall.ENOENT {
		return nil
	}
	return err
}
