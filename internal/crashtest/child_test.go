package crashtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// child is a process that the parent started.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{} // it is dead and its lines are read
	noise bytes.Buffer  // stderr; read it after ended
	once  sync.Once
}

// start runs this binary as a child. hear gets every line it tells, in order, until it is dead.
func start(t *testing.T, dir, env string, orders any, hear func(line string)) *child {
	t.Helper()
	text, err := json.Marshal(orders)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{ended: make(chan struct{})}
	c.cmd = exec.Command(os.Args[0], "-test.run=^TestServerProcess$", "-test.timeout=5m")
	c.cmd.Env = append(os.Environ(), env+"="+string(text), "TMPDIR="+dir, "GOTRACEBACK=all")
	c.cmd.Stderr = &c.noise
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			if err != nil { // a line without its newline was not reported
				break
			}
			hear(line[:len(line)-1])
		}
		_ = c.cmd.Wait() // its lines show how it ended
	}()
	return c
}

// kill ends it by SIGKILL, if it lives.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended just now
	<-c.ended
}

// end asks for an orderly end.
func (c *child) end() { c.once.Do(func() { _ = c.stdin.Close() }) }

// wait returns whether it ended within d.
func (c *child) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.ended:
		return true
	case <-timer.C:
		return false
	}
}
