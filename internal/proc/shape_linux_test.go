package proc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A shape is a way in which a scanner's process may get out of sight. All are deaf to TERM. They are told what to be by
// their arguments, for some have no environment, and are found by the token among them.
type shape string

const (
	plain   shape = "plain"   // a child of the leader
	setsid  shape = "setsid"  // in a session of its own
	daemon  shape = "daemon"  // in a session of its own, its parent gone
	cleared shape = "cleared" // in a session of its own, without environment
	ghost   shape = "ghost"   // in a session of its own, its parent gone, without environment
)

var shapes = []shape{plain, setsid, daemon, cleared, ghost}

const shapeArg = "-a-shape-of-the-proc-tests"

// shapeArgs are the arguments of a leader that starts processes of these shapes, writes a file into dir once each is
// there, and hangs, or ends when the file "end" appears in dir.
func shapeArgs(token, dir string, want ...shape) []string {
	var names []string
	for _, s := range want {
		names = append(names, string(s))
	}
	return []string{shapeArg, token, dir, "leader", strings.Join(names, ",")}
}

// beShape is such a process, if this one is.
func beShape() {
	if len(os.Args) < 6 || os.Args[1] != shapeArg {
		return
	}
	dir, role, arg := os.Args[3], os.Args[4], os.Args[5]
	signal.Ignore(syscall.SIGTERM)
	switch role {
	case "leader":
		for s := range strings.SplitSeq(arg, ",") {
			startShape(shape(s))
			awaitFile(filepath.Join(dir, s))
		}
		fmt.Println("ready")
		awaitFile(filepath.Join(dir, "end"))
	case "parent": // of one that is to lose it
		startShape(shape(arg))
	case "leaf":
		if err := os.WriteFile(filepath.Join(dir, arg), nil, 0o600); err != nil {
			panic(err)
		}
		time.Sleep(shapeLife)
	}
	os.Exit(0)
}

// shapeLife ends what a broken test has left.
const shapeLife = 2 * time.Minute

func startShape(s shape) {
	role := "leaf"
	if isParent := os.Args[4] == "parent"; !isParent && (s == daemon || s == ghost) {
		role = "parent"
	}
	cmd := exec.Command(os.Args[0], shapeArg, os.Args[2], os.Args[3], role, string(s))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: s != plain && role == "leaf"}
	if s == cleared || s == ghost {
		cmd.Env = []string{"CLEARED=1"} // none at all would mean ours
	}
	err := cmd.Start()
	if err == nil && role == "parent" {
		err = cmd.Wait()
	}
	if err != nil {
		panic(err)
	}
}

func awaitFile(path string) {
	for end := time.Now().Add(shapeLife); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
}
