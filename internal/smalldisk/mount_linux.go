package smalldisk

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// mounter returns a command that runs one test of this binary in mount and user namespaces of its own, where it may
// mount a file system that only it sees. It needs no root if the system allows user namespaces.
func mounter(test, env string) (*exec.Cmd, error) {
	cmd := exec.Command(os.Args[0], "-test.run="+test, "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), env)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return cmd, nil
}

func mount(dir string, bytes int) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
}
