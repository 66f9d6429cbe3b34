package agentcmd

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/rediverio/sdk/internal/testkit"
)

// process is a running agent.
type process struct {
	h    *home
	cmd  *exec.Cmd
	out  lockedBuffer
	err  lockedBuffer
	done chan struct{}
}

// start starts the agent and makes sure that it ends with the test.
func (h *home) start(args ...string) *process { return h.launch(h.command(args...)) }

func (h *home) launch(cmd *exec.Cmd) *process {
	h.t.Helper()
	if runtime.GOOS == "windows" {
		h.t.Skip("a process is asked to end by a signal")
	}
	p := &process{h: h, cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state of the process says it
		close(p.done)
	}()
	h.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// daemon starts the run verb and waits until it answers.
func (h *home) daemon(args ...string) *process {
	h.t.Helper()
	p := h.start(append(args, "run")...)
	p.says("status on " + filepath.Join(h.state, "agent.sock"))
	return p
}

// says waits for a text on standard error.
func (p *process) says(text string) {
	p.h.t.Helper()
	testkit.Eventually(p.h.t, text, func() bool {
		if p.err.contains(text) {
			return true
		}
		select {
		case <-p.done:
			p.h.t.Fatalf("ended without saying %q: %v\n%s", text, p.cmd.ProcessState, p.err.String())
		default:
		}
		return false
	})
}

func (p *process) signal(s syscall.Signal) {
	p.h.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.h.t.Fatal(err)
	}
}

// wait waits for the end and returns the exit code; -1 for an end by a signal.
func (p *process) wait() int {
	p.h.t.Helper()
	testkit.Eventually(p.h.t, "end of the agent", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	return p.cmd.ProcessState.ExitCode()
}

// end ends it in an orderly way.
func (p *process) end() {
	p.h.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != ExitOK {
		p.h.t.Fatalf("exit %d\n%s", code, p.err.String())
	}
}

// lockedBuffer is written by a process and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.b.Bytes(), []byte(text))
}
