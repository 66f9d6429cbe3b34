package proc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Run starts the child, waits for its end and clears what is left of its tree. An error means that it was not
// started; everything that happens later is in the Result. Run may be called concurrently.
func Run(ctx context.Context, spec Spec) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	cmd, files, err := command(spec)
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	start := time.Now()
	c, err := begin(cmd, spec)
	if err != nil {
		return nil, err
	}
	c.supervise(ctx)
	c.res.Duration = time.Since(start)
	return &c.res, nil
}

func command(spec Spec) (*exec.Cmd, []*os.File, error) {
	var files []*os.File
	for _, path := range []string{spec.Stdout, spec.Stderr} {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			closeAll(files)
			return nil, nil, fmt.Errorf("output file: %w", err)
		}
		files = append(files, f)
	}
	cmd := bareCommand(spec)
	// Standard input is the null device, since Stdin is nil. Output goes to files directly: no goroutine copies,
	// so Wait ends with the leader, whoever else holds the files open.
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	return cmd, files, nil
}

// bareCommand returns the command of spec without its files.
func bareCommand(spec Spec) *exec.Cmd {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir = spec.Dir
	cmd.Env = []string{} // not nil, which would be ours
	if spec.Marker != "" {
		cmd.Env = append(cmd.Env, MarkerEnv+"="+spec.Marker) // first, where it is looked for
	}
	for _, kv := range spec.Env {
		if spec.Marker == "" || !strings.HasPrefix(kv, MarkerEnv+"=") { // of two the later one would count
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.SysProcAttr = groupAttr()
	return cmd
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // nothing was written through this handle
	}
}

// child is a running one.
type child struct {
	cmd  *exec.Cmd
	spec Spec
	tree *tree
	res  Result

	next   time.Time // when the tree is sampled next
	last   Usage     // the last sample
	peak   Usage     // the largest numbers of all samples
	idle   idle
	warned bool // OnSoftMemory was told
}

// begin starts cmd as the leader of a tree. Whoever begins a child finishes it.
func begin(cmd *exec.Cmd, spec Spec) (*child, error) {
	tree, err := spawn(cmd, spec)
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	confine(cmd.Process.Pid, spec)
	c := &child{cmd: cmd, spec: spec, tree: tree, idle: idle{since: time.Now()}}
	c.res.Containment = spec.Contain.Level()
	return c, nil
}

// supervise sees the child to its end and fills res.
func (c *child) supervise(ctx context.Context) {
	// exited closes when the leader has ended; where the system can, it stays a zombie until reap, which keeps
	// its process group from being given to somebody else while we kill it.
	exited := make(chan struct{})
	reap := awaitExit(c.cmd, exited)

	c.res.Cause = c.watch(ctx, exited)
	if c.res.Cause != Exit {
		c.stop(exited)
	}
	c.finish(exited, reap)
	c.tell(Usage{})
}

// finish kills what is left of the tree, reaps the leader and fills what res says of them.
func (c *child) finish(exited <-chan struct{}, reap func()) {
	c.sample() // after the end of the leader, which has by then the times of those it waited for
	c.res.Leftovers, c.res.Survivors = c.tree.clear()
	if ended(exited, 0) {
		reap()
		c.account()
	} else { // stuck in the kernel: the goroutine of awaitExit stays until it is not, and so does one that reaps it then
		go func() { <-exited; reap() }()
		c.res.ExitCode = -1
		c.res.Survivors++
	}
	c.res.PeakMemory = max(c.res.PeakMemory, c.peak.Memory)
	c.res.PeakProcesses, c.res.PeakThreads = c.peak.Processes, c.peak.Threads
	c.tree.account(&c.res)
	c.tree.release()
}

// account takes the exit status and usage of the reaped leader.
func (c *child) account() {
	state := c.cmd.ProcessState
	c.res.CPU = c.last.CPU
	if state == nil { // Wait itself went wrong
		c.res.ExitCode = -1
		return
	}
	c.res.ExitCode = state.ExitCode()
	c.res.Signal = signalName(state)
	c.res.UserCPU, c.res.SystemCPU = state.UserTime(), state.SystemTime()
	c.res.CPU = max(c.last.CPU, c.tree.cpuOfOthers()+c.res.UserCPU+c.res.SystemCPU)
	c.res.PeakMemory = peakOf(state)
}
