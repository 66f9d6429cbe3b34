package resource

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv makes a process that runs the test binary one of its children's parts instead.
const childEnv = "RESOURCE_TEST_CHILD"

// A child waits for a line on its standard input, so that it can be put in a control group first, and ends with its standard
// input, so that it never outlives the test.
func TestMain(m *testing.M) {
	part, size, _ := strings.Cut(os.Getenv(childEnv), " ")
	bytes, _ := strconv.Atoi(size)
	if part != "" {
		if _, err := fmt.Scanln(); err != nil && err.Error() != "unexpected newline" {
			os.Exit(3)
		}
	}
	switch part {
	case "":
		os.Exit(m.Run())
	case "spin":
		fmt.Println("on")
		go spin(time.Hour)
	case "eat":
		eat(bytes)
		fmt.Println("on")
	case "sample":
		answer(sampleOnce(bytes))
	case "burst":
		answer(runBurst(bytes))
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// spin keeps a CPU busy.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// eat takes memory at once, outside of the Go heap, so that it is as much as it says under the race detector too.
func eat(bytes int) []byte {
	b, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	return b
}

func answer(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		os.Exit(5)
	}
}

// child is a process of the test.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// newChild starts a child that waits to be told. Stop ends it.
func newChild(part string, bytes int) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", childEnv, part, bytes))
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.cmd.Start()
}

// tell lets the child begin and returns its first line.
func (c *child) tell() (string, error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return "", err
	}
	return c.out.ReadString('\n')
}

func (c *child) stop() error {
	_ = c.in.Close()
	return c.cmd.Wait()
}

// begin starts a child in a group and waits until it does its part; it ends with the test or with the function.
func begin(t *testing.T, g *realGroup, part string, bytes int) (line string, stop func()) {
	t.Helper()
	c, err := newChild(part, bytes)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = c.stop() // by signal, when the group killed it
		}
	}
	t.Cleanup(stop)
	if g != nil {
		g.add(t, c.cmd.Process.Pid)
	}
	if line, err = c.tell(); err != nil {
		t.Fatalf("child %s: %v", part, err)
	}
	return line, stop
}
