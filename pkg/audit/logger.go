package audit

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/internal/homedir"
	"github.com/rediverio/sdk/pkg/event"
)

// Logger writes events to the audit log. It is an event.Sink. All its methods may be called concurrently, and on a
// nil Logger, which drops everything: an agent whose log could not be opened decides by NewLogger's error, not by a
// crash.
type Logger struct {
	cfg     LoggerConfig
	base    uint64 // number of the last line of the run before
	lock    *filelock.Lock
	console *console

	wake chan struct{} // holds one: there is something to write
	quit chan struct{} // closed by Stop: the writer drains and ends
	done chan struct{} // closed when it has

	// mu is held for moments only, never over a write or a sync. It is taken after io, never before.
	mu struct {
		sync.Mutex
		started, closed bool
		pending         []byte // whole lines that the writer has not taken
		spooled         int64  // bytes of pending and io.out
		seq             uint64 // of the last line in pending
		want            uint64 // someone waits until this line is on disk
		stuck           bool   // the disk made someone wait in vain: nobody waits until it moves again
		failingSince    time.Time
		progress        chan struct{} // closed when the writer got on; nil: nobody waits
		stats           Stats
		drops           drops
	}

	// io is held while the file is used.
	io struct {
		sync.Mutex
		file    *logFile
		out     []byte // lines that are not known to be on disk
		written int    // bytes of out that are in the file
		lines   uint64 // lines in out[:written]
		since   time.Time
		retryAt time.Time
		backoff time.Duration
	}

	stopErr error // set before done is closed
}

var _ event.Sink = (*Logger)(nil)

// stopTimeout is how long Stop waits for a disk that hangs.
const stopTimeout = 10 * time.Second

// NewLogger opens the log, with every default when cfg is nil, and holds it against other processes until Stop.
// It returns Validate's error, a *LockedError when another Logger uses the file, and what keeps the file from
// being opened.
func NewLogger(cfg *LoggerConfig) (*Logger, error) {
	var c LoggerConfig
	if cfg != nil {
		c = *cfg
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	path, err := homedir.Expand(c.LogFile)
	if err != nil {
		return nil, err
	}
	c.LogFile = path
	l := &Logger{cfg: c, console: newConsole(c.Output), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	if err := l.openFile(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Logger) openFile() (err error) {
	if err := makeDir(l.cfg.LogFile); err != nil {
		return err
	}
	if l.lock, err = filelock.Acquire(l.cfg.LogFile + ".lock"); err != nil {
		var held *filelock.HeldError
		if errors.As(err, &held) {
			return &LockedError{Path: l.cfg.LogFile, PID: held.PID}
		}
		return fmt.Errorf("lock the audit log: %w", err)
	}
	lf := newLogFile(l.cfg.LogFile, int64(l.cfg.MaxSizeMB)<<20)
	if l.base, err = lf.open(); err != nil {
		return errors.Join(err, l.lock.Release())
	}
	if l.base == 0 {
		l.base = lf.startSeq()
	}
	l.io.file, l.mu.seq = lf, l.base
	return nil
}

// LockedError says that another Logger, of this process or another, writes the file. Give each agent of a host a
// LogFile of its own.
type LockedError struct {
	Path string // of the log
	PID  int    // of the process that holds it; 0 where unknown
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("audit log %s is in use by process %d: give each agent a LogFile of its own", e.Path, e.PID)
}

// Start starts the writer. Without it, or before it, Log writes the file itself. A second Start, or one after Stop,
// does nothing.
func (l *Logger) Start() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.started || l.mu.closed {
		return
	}
	l.mu.started = true
	l.console.start()
	go func() {
		defer close(l.done)
		l.run()
		l.drain()
	}()
}

// Stop takes no more events, writes and syncs those it has, and closes the file. It returns an error when some are
// lost, or the disk hangs for ten seconds. Twice, or before Start, does no harm.
func (l *Logger) Stop() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	first := !l.mu.closed
	l.mu.closed = true
	started := l.mu.started
	l.mu.Unlock()
	switch {
	case first && started:
		close(l.quit)
	case first:
		go func() {
			defer close(l.done)
			l.drain()
		}()
	}
	hung := time.NewTimer(stopTimeout)
	defer hung.Stop()
	select {
	case <-l.done:
		return l.stopErr
	case <-hung.C:
		return fmt.Errorf("audit log %s: the disk hangs, %d events are not written", l.cfg.LogFile, l.Stats().Queued)
	}
}

// drain writes what is left, counts what cannot be written as dropped, and gives the file free.
func (l *Logger) drain() {
	err := l.flushAll()
	l.io.Lock()
	if lost := l.giveUp(); lost > 0 {
		l.stopErr = fmt.Errorf("audit log %s: %d events are lost: %w", l.cfg.LogFile, lost, err)
		l.complain(l.stopErr.Error())
	}
	l.stopErr = errors.Join(l.stopErr, l.io.file.close(), l.lock.Release())
	l.io.Unlock()
	l.console.close()
}

// giveUp counts the lines that are in no file as dropped.
func (l *Logger) giveUp() (lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, queue := range [][]byte{l.io.out[l.io.written:], l.mu.pending} {
		for line := range bytes.Lines(queue) {
			l.dropLocked(&Event{Type: lineType(line), Timestamp: time.Now()})
			lost++
		}
	}
	l.io.out, l.io.written, l.mu.pending = nil, 0, nil
	return lost
}

// Flush writes and syncs every event that was logged before. It waits for the disk and returns its error; the
// events stay in memory then, and are tried again.
func (l *Logger) Flush() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	closed := l.mu.closed
	l.mu.Unlock()
	if closed {
		return l.Stop() // what there is to write is being written
	}
	return l.flushAll()
}

// complain tells people on the console what the log itself cannot.
func (l *Logger) complain(s string) {
	line := appendEscaped([]byte("audit: "), s)
	l.console.print(append(line, '\n'))
}
