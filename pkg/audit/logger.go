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

// Logger writes events to the audit log. It is an event.Sink. Its methods may be called concurrently. They may also be called
// on a nil Logger, which discards every event, so that a program can run without an audit log.
type Logger struct {
	cfg         LoggerConfig
	tail        string // part of every line, see logfile.LineTail
	perLine     int    // bytes that the seal adds to a line
	lock        *filelock.Lock
	diagnostics *diagnostics
	ship        *ship.Shipper // nil without RemoteEndpoint

	wake    chan struct{} // capacity 1: there are lines to write
	rotated chan struct{} // capacity 1: a file was rotated
	quit    chan struct{} // closed by Stop: the writer drains and returns
	done    chan struct{} // closed when the writer has returned

	// mu is never held during a write or a sync. If both are locked, io is locked first.
	mu struct {
		sync.Mutex
		started, closed bool
		pending         []byte        // lines, not sealed yet, that the writer has not taken
		spooled         int64         // size of pending and io.out in bytes, when sealed
		seq             uint64        // last number used, by a line or by a dropped event
		want            uint64        // number of the last line that must be synced at once
		synced          logfile.Place // last line on disk
		stuck           bool          // a caller waited for SyncTimeout: no caller waits until the disk makes progress
		failingSince    time.Time
		progress        chan struct{} // closed after the next pass of the writer; nil if no caller waits
		stats           Stats
		drops           drops
		space           space
		urgent          int // critical events copied to diagnostics since urgentSince
		urgentSince     time.Time
	}

	// io guards the files, and is held during writes and syncs.
	io struct {
		sync.Mutex
		file    *logFile
		head    *os.File         // the sidecar
		key     *logfile.KeyFile // nil if lines are not signed
		seal    logfile.Sealer
		raw     []byte    // lines being sealed
		out     []byte    // sealed lines that are not known to be on disk
		written int       // number of bytes of out that are in the file
		lines   uint64    // number of lines in out[:written]
		since   time.Time // when the first of these lines was written

		headFails bool                                            // the last write of the sidecar failed
		spaceAt   time.Time                                       // when to check the free space again
		free      func(dir string) (free, total int64, err error) // diskspace.Of, except in tests
		retryAt   time.Time                                       // when to write again after a failure
		failures  int                                             // failures in a row
	}

	stopErr error // result of Stop; set before done is closed
}

var _ event.Sink = (*Logger)(nil)

// stopTimeout is the maximum time for which Stop waits for the disk.
const stopTimeout = 10 * time.Second

// NewLogger opens the log and locks it against other processes until Stop. A nil cfg means defaults. NewLogger does not keep
// cfg. It returns the error of cfg.Validate, a *LockedError if another Logger has locked the file, or the error that prevents
// the file from being opened.
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

// resume opens the files and finds the last line of the log.
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
			return fmt.Errorf("the key in %s signs line %d and later ones, but the next line of the log is %d", l.cfg.KeyFile, l.io.seal.Key.Seq, lf.at.Seq+1)
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

// LockedError is returned by NewLogger if another Logger, in this or another process, writes the file. Each agent on a host
// needs its own LogFile.
type LockedError struct {
	Path string // Path is the log file.
	PID  int    // PID is the process that has locked the log; 0 if unknown.
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("audit log %s is in use by process %d: give each agent a LogFile of its own", e.Path, e.PID)
}

// Start starts the writer. Before Start, Log writes to the file itself. Start may be called more than once; after Stop it
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
			_ = l.flushAll() // drain tries again, and reports what is lost
			l.ship.Finish()
		}
		l.drain()
	}()
}

// Stop writes and syncs the events that were logged before, sends them to the collector if it answers, and closes the file.
// Events that are logged later are dropped. Stop returns an error if events are lost, or if the disk does not respond for ten
// seconds; then a second call waits again. It may be called more than once and before Start.
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
		return fmt.Errorf("audit log %s: the disk does not respond, %d events are not written", l.cfg.LogFile, l.Stats().Queued)
	}
}

// drain writes the remaining lines, counts the ones that cannot be written as dropped, and releases the file.
func (l *Logger) drain() {
	l.mu.Lock()
	l.mu.space = enough // so that the audit_dropped event is written even when the disk is nearly full
	l.mu.Unlock()
	err := l.flushAll()
	l.io.Lock()
	if lost := l.abandon(); lost > 0 {
		l.stopErr = fmt.Errorf("audit log %s: %d events are lost: %w", l.cfg.LogFile, lost, err)
		l.complain(l.stopErr.Error())
	}
	l.stopErr = errors.Join(l.stopErr, l.closeFiles(), l.lock.Release())
	l.io.Unlock()
	l.diagnostics.close()
}

// abandon counts the lines that are in no file as dropped, and returns their number.
func (l *Logger) abandon() (lost int) {
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

// Flush writes and syncs every event that was logged before. It waits for the disk without limit. If it returns an error, the
// events remain in memory and are written later. After Stop it returns the result of Stop.
func (l *Logger) Flush() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	closed := l.mu.closed
	l.mu.Unlock()
	if closed {
		return l.Stop() // which waits for the remaining lines
	}
	return l.flushAll()
}

// newShipper returns the shipper that sends the log to the collector.
func (l *Logger) newShipper() *ship.Shipper {
	if err := l.io.file.f.Sync(); err != nil { // the last lines may be from a process that was killed before it synced them
		l.complain(err.Error())
	}
	return ship.New(ship.Config{
		Endpoint: l.cfg.RemoteEndpoint, Transport: l.cfg.RemoteTransport, Token: l.cfg.RemoteToken, AgentID: l.cfg.AgentID,
		Path: l.cfg.LogFile, MaxUnsentMB: l.cfg.MaxUnsentMB,
		Head: func() uint64 { return l.Head().Seq }, Record: l.own, Redact: redact.Text,
	})
}
