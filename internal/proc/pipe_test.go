//go:build unix

package proc

import (
	"bufio"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

func talk(t *testing.T, mode string) *Child {
	t.Helper()
	s := spec(t, mode)
	s.Stdout, s.Stderr = "", ""
	c, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	return c
}

func TestStartTalksOverPipes(t *testing.T) {
	c := talk(t, "echo")
	if _, err := io.WriteString(c.Stdin, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c.Stdout).ReadString('\n'); line != "hello\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	if line, err := bufio.NewReader(c.Stderr).ReadString('\n'); line != "ready\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	_ = c.Stdin.Close() // the child ends with its input
	<-c.Exited()
	if res := c.Stop(); res.Cause != Exit || res.ExitCode != 0 || res != c.Stop() {
		t.Errorf("got %+v", res)
	}
}

func TestStopEndsAChildThatHangs(t *testing.T) {
	for mode, signal := range map[string]string{"hang": "terminated", "deaf": "killed"} {
		c := talk(t, mode)
		if _, err := c.Stdout.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if res := c.Stop(); res.Cause != Cancel || res.Signal != signal {
			t.Errorf("%s: got %+v", mode, res)
		}
	}
}

// A grandchild that left the group and holds the pipes keeps no reader waiting.
func TestStopEndsReaders(t *testing.T) {
	c := talk(t, "family-setsid")
	<-c.Exited()
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c.Stdout)
		read <- err
	}()
	res := c.Stop()
	if Supported().Tree && (res.Leftovers != 1 || res.Survivors != 0) {
		t.Errorf("got %+v", res)
	}
	select {
	case err := <-read:
		if err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the reader still waits")
	}
}

func TestMemoryOfATalkingChild(t *testing.T) {
	if !Supported().Memory {
		t.Skip("not measured on this system")
	}
	c := talk(t, "memory")
	if _, err := c.Stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if n, over := c.Memory(100 << 20); n < 200<<20 || !over {
		t.Errorf("got %d, over %v", n, over)
	}
}

func TestStartWithPipesFails(t *testing.T) {
	if _, err := Start(Spec{Path: "/nonexistent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
