package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/diskspace"
	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/internal/homedir"
	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
	"github.com/rediverio/sdk/pkg/event"
)

// Logger writes events to the audit log. It is an event.Sink. All its methods may be called concurrently, and on a
// nil Logger, which drops everything: an agent whose log could not be opened decides by NewLogger's error, not by a
// crash.
type Logger struct {
	cfg         LoggerConfig
	tail        string // of every line: see lineTail
	perLine     int    // bytes that the seal adds to a line
	lock        *filelock.Lock
	diagnostics *diagnostics
	ship        *ship.Shipper // nil: nothing is sent

	wake chan struct{} // holds one: there is something to write
	quit chan struct{} // closed by Stop: the writer drains and ends
	done chan struct{} // closed when it has

	rotated chan struct{} // holds one: there is a rotated file

	// mu is held for moments only, never over a write or a sync. It is taken after io, never before.
	mu struct {
		sync.Mutex
		started, closed bool
		pending         []byte        // lines without seal that the writer has not taken
		spooled         int64         // bytes of pending and io.out, sealed
		seq             uint64        // the last number given out: to a line in pending, or to an event that was dropped
		want            uint64        // someone waits until this line is on disk
		synced          logfile.Place // the last line that is
		stuck           bool          // the disk made someone wait in vain: nobody waits until it moves again
		failingSince    time.Time
		progress        chan struct{} // closed when the writer got on; nil: nobody waits
		stats           Stats
		drops           drops
		space           space
		urgent          int // critical events printed since urgentSince
		urgentSince     time.Time
	}

	// io is held while the file is used.
	io struct {
		sync.Mutex
		file    *logFile
		head    *os.File         // the sidecar
		key     *logfile.KeyFile // nil: lines are not signed
		seal    logfile.Sealer
		raw     []byte // lines being sealed
		out     []byte // lines that are not known to be on disk
		written int    // bytes of out that are in the file
		lines   uint64 // lines in out[:written]
		since   time.Time

		headFails bool                                            // the sidecar was not written last time
		spaceAt   time.Time                                       // when to look again how full the disk is
		free      func(dir string) (free, total int64, err error) // diskspace.Of, but in tests
		retryAt   time.Time
		backoff   time.Duration
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
	if c.KeyFile != "" {
		if c.KeyFile, err = homedir.Expand(c.KeyFile); err != nil {
			return nil, err
		}
	}
	l := &Logger{cfg: c, diagnostics: newDiagnostics(c.Logger), tail: logfile.LineTail(logfile.NewFileID()),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), rotated: make(chan struct{}, 1)}
	if err := l.openFile(); err != nil {
		return nil, err
	}
	if c.RemoteEndpoint != "" {
		l.ship = l.newShipper()
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
	if err := l.resume(); err != nil {
		return errors.Join(err, l.closeFiles(), l.lock.Release())
	}
	return nil
}

// resume opens the files and finds the place from which the log goes on.
func (l *Logger) resume() (err error) {
	lf := newLogFile(l.cfg.LogFile, int64(l.cfg.MaxSizeMB)<<20)
	lf.tail, lf.complete = l.tail, l.complete
	l.io.file, l.io.free = lf, diskspace.Of
	head, err := lf.resume()
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	if err := lf.open(); err != nil {
		return err
	}
	if l.io.head, err = logfile.OpenHead(l.cfg.LogFile); err != nil {
		return fmt.Errorf("open the head of the audit log: %w", err)
	}
	l.io.seal = logfile.Sealer{Linker: logfile.NewLinker(), At: lf.at}
	l.perLine = logfile.SealBytes - len(logfile.MACOpen) - len(logfile.ChainText{}) - 1
	if l.cfg.KeyFile != "" {
		if l.io.key, l.io.seal.Key, err = logfile.OpenKeyFile(l.cfg.KeyFile); err != nil {
			return err
		}
		if !l.io.seal.Key.Forward(lf.at.Seq + 1) {
			return fmt.Errorf("the key in %s is of line %d, the log goes on at %d", l.cfg.KeyFile, l.io.seal.Key.Seq, lf.at.Seq+1)
		}
		l.perLine = logfile.SealBytes
	}
	l.mu.seq, l.mu.synced = lf.at.Seq, lf.at
	if head.Lost > 0 {
		lf.notes = append(lf.notes, Event{Type: EventAuditDropped, Severity: SeverityCritical, Message: "Events were lost: the process ended while the disk took no lines",
			Details: map[string]any{"events": head.Lost, "first_seq": head.LostFirst, "last_seq": head.LostLast}})
	}
	return nil
}

func (l *Logger) closeFiles() error {
	var errs []error
	if l.io.file != nil {
		errs = append(errs, l.io.file.close())
	}
	if l.io.head != nil {
		errs = append(errs, l.io.head.Close())
	}
	if l.io.key != nil {
		errs = append(errs, l.io.key.File.Close())
	}
	return errors.Join(errs...)
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
	l.diagnostics.start()
	if l.ship != nil {
		go l.ship.Run()
	}
	go func() {
		defer close(l.done)
		var tidy sync.WaitGroup
		tidy.Go(l.tidy)
		l.run()
		tidy.Wait()
		if l.ship != nil {
			_ = l.flushAll() // drain tries again, and says what is lost
			l.ship.Finish()
		}
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
	l.mu.Lock()
	l.mu.space = enough // whatever is left: the log says what it dropped
	l.mu.Unlock()
	err := l.flushAll()
	l.io.Lock()
	if lost := l.giveUp(); lost > 0 {
		l.stopErr = fmt.Errorf("audit log %s: %d events are lost: %w", l.cfg.LogFile, lost, err)
		l.complain(l.stopErr.Error())
	}
	l.stopErr = errors.Join(l.stopErr, l.closeFiles(), l.lock.Release())
	l.io.Unlock()
	l.diagnostics.close()
}

// giveUp counts the lines that are in no file as dropped.
func (l *Logger) giveUp() (lost int) {
	l.mu.Lock()
	for _, queue := range [][]byte{l.io.out[l.io.written:], l.mu.pending} {
		for line := range bytes.Lines(queue) {
			l.dropLocked(&Event{Type: logfile.LineType(line), Timestamp: time.Now()}, 0)
			lost++
		}
	}
	l.io.out, l.io.written, l.mu.pending = nil, 0, nil
	l.mu.Unlock()
	l.writeHead()
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

// newShipper returns what sends the log to the collector.
func (l *Logger) newShipper() *ship.Shipper {
	if err := l.io.file.f.Sync(); err != nil { // the last lines may be from a process that was killed before it synced
		l.complain(err.Error())
	}
	return ship.New(ship.Config{
		Endpoint: l.cfg.RemoteEndpoint, Transport: l.cfg.RemoteTransport, Token: l.cfg.RemoteToken, AgentID: l.cfg.AgentID,
		Path: l.cfg.LogFile, MaxUnsentMB: l.cfg.MaxUnsentMB,
		Head: func() uint64 { return l.Head().Seq }, Record: l.own, Redact: redact.Text,
	})
}
