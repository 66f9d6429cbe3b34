package proc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// spawn starts cmd, so that all it starts can be ended whatever becomes of this process. The tree must be released once its
// leader is reaped.
func spawn(cmd *exec.Cmd, spec Spec) (*tree, error) {
	t := newTree(0, spec.Marker)
	t.level = spec.Contain.Level()
	begin := func() error { return t.start(cmd, spec) }
	switch t.level {
	case Cgroup:
		t.leaf = spec.Contain.leaves.leaf()
	case PIDNamespace:
		cmd.SysProcAttr = namespaceAttr(spec.Contain.unpriv)
		begin = func() error { return t.hold(func() error { return t.start(cmd, spec) }) }
	}
	if err := begin(); err != nil {
		t.release()
		return nil, err
	}
	t.join()
	return t, nil
}

// hold calls f on a thread that does not end before the tree is released: with it would end what f has started.
func (t *tree) hold(f func() error) error {
	result, stop, done := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		result <- f()
		<-stop
	}()
	t.letGo = func() { close(stop); <-done }
	return <-result
}

// start has the record on disk first, then makes the leaf, then the process that is born in it.
func (t *tree) start(cmd *exec.Cmd, spec Spec) error {
	rec := newRecord(spec.Marker, t.leaf)
	var file *os.File
	if spec.Record != "" {
		var err error
		if file, err = rec.create(spec.Record); err != nil {
			return fmt.Errorf("record: %w", err)
		}
		defer file.Close()
	}
	if t.leaf != nil {
		fd, err := t.leaf.make(spec)
		if err != nil {
			return fmt.Errorf("control group: %w", err)
		}
		defer unix.Close(fd)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, fd
	}
	if err := launch(cmd, spec.Marker); err != nil {
		return err
	}
	t.leader = cmd.Process.Pid
	if s, ok := readStat(t.leader); ok && file != nil {
		rec.PID, rec.Start = s.pid, s.start
		_ = rec.write(file) // without it marker and leaf find the child
	}
	return nil
}

// release gives back what spawn took. Nothing of the tree is used after it.
func (t *tree) release() {
	t.leave()
	if t.leader != 0 {
		forget(t.leader)
	}
	if t.leaf != nil {
		_ = t.leaf.remove() // what stays is found by the next sweep
	}
	if t.letGo != nil {
		t.letGo()
	}
}
