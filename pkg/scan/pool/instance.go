package pool

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/internal/tail"
)

// process is the running server.
type process interface {
	PID() int
	Exited() <-chan struct{}                     // closed when it has ended
	Memory(limit int64) (bytes int64, over bool) // of its tree
	Stop() *proc.Result                          // ends the tree; returns when it is gone
}

// link is a server with the ways to it.
type link struct {
	process process
	in      io.Reader      // what it sends
	out     io.WriteCloser // what it is sent
	said    *lastWords     // besides
	close   func()         // the ways, so that readers end; called after Stop
}

// state is what an instance is at. It is guarded by the pool's mutex.
type state int

const (
	free    state = iota // in Pool.idle
	leased               // a caller has it
	resting              // its health is checked, or an answer awaited that nobody wants any more
	ending               // it is being stopped
)

// instance is one server of the pool.
type instance struct {
	link
	cfg  *Config
	conn *conn
	born time.Time

	state   state     // this and the following are guarded by the pool's mutex
	calls   int       // that callers made
	since   time.Time // when a caller gave it back
	checked time.Time // when its health was
	leaks   bool      // over Config.MemoryBytes
	bytes   int64     // of memory, as last seen

	wg      sync.WaitGroup // reader and writer of conn
	retired chan struct{}  // closed when it is ending
	stopped chan struct{}  // closed when it is gone
	result  *proc.Result   // set before stopped is closed
}

func newInstance(cfg *Config, l link) *instance {
	i := &instance{link: l, cfg: cfg, conn: newConn(cfg, l.in, l.out), born: time.Now(), retired: make(chan struct{}), stopped: make(chan struct{})}
	i.wg.Go(i.conn.read)
	i.wg.Go(i.conn.write)
	return i
}

// lastGasp is how long what a crashed server has said last may take to be read.
const lastGasp = 200 * time.Millisecond

// end stops the server, first with kind words where it still listens, and returns when nothing of it is left.
func (i *instance) end() {
	if !i.conn.hasFailed() {
		i.farewell()
	}
	if cause, _ := i.conn.failure(); cause == Crash {
		i.listen()
	}
	i.conn.fail(Shutdown, nil)
	i.result = i.process.Stop()
	i.close()
	i.wg.Wait()
	i.said.wg.Wait()
	close(i.stopped)
}

// farewell does what Config.Shutdown says, closes the input of the server and gives it time to end.
func (i *instance) farewell() {
	if i.cfg.Network != "" && len(i.cfg.Shutdown) == 0 {
		return // the end of a connection says nothing to a server
	}
	ctx, cancel := context.WithTimeout(context.Background(), i.cfg.Grace)
	defer cancel()
	for _, r := range i.cfg.Shutdown {
		var err error
		if r.Notify {
			err = i.conn.notify(ctx, r.Method, r.Params)
		} else {
			_, err = i.conn.call(ctx, r.Method, r.Params)
		}
		if ctx.Err() != nil || err == errConn {
			return
		}
	}
	if i.conn.enqueue(ctx, nil) != nil {
		return
	}
	select {
	case <-i.process.Exited():
	case <-ctx.Done():
	}
}

// lastAnswers lets what a server has written before it ended be read, and fails the connection.
func (i *instance) lastAnswers() {
	t := time.NewTimer(lastGasp)
	defer t.Stop()
	select {
	case <-i.conn.failed:
	case <-t.C:
		i.conn.fail(Crash, nil) // somebody else holds its output open
	}
}

// listen gives the readers of its log time to read what it has said last.
func (i *instance) listen() {
	t := time.NewTimer(lastGasp)
	defer t.Stop()
	select {
	case <-i.process.Exited():
	case <-t.C:
		return
	}
	done := make(chan struct{})
	go func() { i.said.wg.Wait(); close(done) }() // ends with the instance, at the latest
	select {
	case <-done:
	case <-t.C:
	}
}

// failure returns the error of a call, or of none. Of a crash it says how the server ended, where it can wait for that: somebody
// must be ending it.
func (i *instance) failure(method string, wait bool) *Error {
	cause, err := i.conn.failure()
	if cause == Crash && wait {
		<-i.stopped // soon
		cause = i.verdict(cause)
		if r := i.result; r.Cause != proc.Cancel { // it has not only closed its output
			err = exitError{r.ExitCode, r.Signal}
		}
	}
	return &Error{Name: i.cfg.Name, Cause: cause, PID: i.process.PID(), Method: method, Stderr: i.said.lines(), Err: err}
}

// verdict is the cause of an end that has been looked into: the kernel may have brought it about.
func (i *instance) verdict(cause Cause) Cause {
	if r := i.result.Cause; cause == Crash && (r == proc.OOM || r == proc.Memory) {
		return Memory
	}
	return cause
}

// lastWords keeps the end of what is written to it. It may be used concurrently.
type lastWords struct {
	wg sync.WaitGroup // of those who are followed

	mu  sync.Mutex
	b   []byte
	cut bool
}

// follow keeps the end of what r has, until its end.
func (w *lastWords) follow(r io.Reader) {
	w.wg.Go(func() { _, _ = io.Copy(w, r) }) // whatever that end is
}

// Write keeps the end of b; it never fails.
func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(b)
	if over := len(w.b) + n - tail.Bytes; over > 0 {
		w.cut = true
		drop := min(over, len(w.b))
		w.b = append(w.b[:0], w.b[drop:]...)
		b = b[over-drop:]
	}
	w.b = append(w.b, b...)
	return n, nil
}

func (w *lastWords) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tail.Lines(string(w.b), w.cut)
}
