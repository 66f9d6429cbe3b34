package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// The errors of Log.
var (
	// ErrDropped is returned for an event that is not in the log. An audit_dropped event will report it.
	ErrDropped = errors.New("audit event dropped: the disk accepts no lines and the memory for them is full")

	// ErrNotDurable is returned for an event that is not on disk yet, and will be written when the disk accepts it.
	ErrNotDurable = errors.New("audit event not on disk yet")

	// ErrStopped is returned after Stop. The event is not in the log.
	ErrStopped = errors.New("audit log is stopped")
)

// Record logs e, as Log does, but never waits: a critical event may not be on disk yet when Record returns. It implements
// event.Sink.
func (l *Logger) Record(e Event) { _ = l.log(noWait, e) } // Stats and the log itself report losses

// noWait in place of a context makes log return without waiting.
var noWait context.Context

// Log logs e. It encodes e before it returns, and keeps no reference to it. A critical event (see the package documentation)
// is on disk when Log returns nil. If SyncTimeout passes before, or the disk is known to fail, Log returns ErrNotDurable, and
// the event is written as soon as the disk accepts it. For other events Log waits only if the memory for lines is full, also
// for at most SyncTimeout, and then returns ErrDropped. After Stop it returns ErrStopped. With FailClosed, it returns
// ErrNotDurable for every event while the disk fails.
func (l *Logger) Log(e Event) error { return l.log(context.Background(), e) }

// log logs e. If ctx is nil, it does not wait.
func (l *Logger) log(ctx context.Context, e Event) error {
	if l == nil {
		return ErrStopped
	}
	if strings.HasPrefix(string(e.Type), logfile.OwnPrefix) {
		e.Type = "foreign_" + e.Type // only the log itself may explain missing numbers
	}
	l.complete(&e)
	enc := newEncoder(l.cfg.Redactor)
	defer enc.free()
	if ctx != nil {
		enc.correlation, _ = ctx.Value(correlationKey{}).(string)
	}
	enc.event(&e)
	if l.cfg.Verbose {
		l.copyOut(e, enc.details(), "")
	}
	seq, how := l.accept(ctx, &e, enc.buf)
	switch how {
	case unstarted:
		_ = l.pass(critical(&e)) // Stats and the diagnostics report the error
	case queued:
		signal(l.wake)
	case firstLate:
		l.copyOut(e, enc.details(), "not in the audit log, which is stopped: ")
		return ErrStopped
	case late:
		return ErrStopped
	case dropped:
		signal(l.wake) // the writer checks whether there is room again
		if critical(&e) {
			l.copyUrgent(e, enc.details())
		}
		return ErrDropped
	}
	err := l.awaitSync(ctx, &e, seq)
	if err != nil && critical(&e) {
		l.copyUrgent(e, enc.details())
	}
	return err
}

// complete sets the fields of e that its producer did not set.
func (l *Logger) complete(e *Event) {
	if y := e.Timestamp.UTC().Year(); e.Timestamp.IsZero() || y < 1 || y > 9999 {
		e.Timestamp = time.Now() // RFC 3339 has no other years
	}
	if e.Severity == "" {
		e.Severity = SeverityInfo
	}
	if e.AgentID == "" {
		e.AgentID = l.cfg.AgentID
	}
	if e.TenantID == "" {
		e.TenantID = l.cfg.TenantID
	}
}

// critical reports whether e must be on disk before Log returns.
func critical(e *Event) bool {
	switch e.Type {
	case EventAuthFailed, EventAgentStart, EventAgentStop, EventAgentError, EventUploadFailed, EventChunkFailed:
		return true
	case EventChunkCleanup:
		return e.Severity.Rank() >= SeverityWarn.Rank() // data was deleted that was not uploaded, or a clean-up failed
	}
	return e.Severity == SeverityCritical
}

// accepted is the result of accept.
type accepted int

const (
	dropped   accepted = iota
	late               // dropped because it was logged after Stop
	firstLate          // the first event that was logged after Stop
	queued             // queued for the writer
	unstarted          // queued, but there is no writer yet
)

// accept assigns the next number to the line and queues it, or counts the event as dropped.
func (l *Logger) accept(ctx context.Context, e *Event, line []byte) (seq uint64, how accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(len(line) + endLineMax)
	limit := l.cfg.SpoolBytes
	if e.Severity.Rank() < SeverityError.Rank() && !critical(e) {
		limit -= limit / 4 // the last quarter is reserved for the most important events
	}
	if l.mu.started && !l.mu.closed && ctx != nil {
		l.waitLocked(ctx, func() bool { return l.mu.closed || l.mu.spooled+size <= limit })
	}
	l.mu.stats.Logged++
	if l.mu.closed {
		l.dropLocked(e, 0)
		if l.mu.stats.AfterStop++; l.mu.stats.AfterStop == 1 {
			return 0, firstLate
		}
		return 0, late
	}
	if l.mu.spooled+size > limit || l.spareLocked(e) {
		l.mu.seq++ // the gap remains visible even if the audit_dropped event is lost
		l.dropLocked(e, l.mu.seq)
		return 0, dropped
	}
	seq = l.queueLocked(line)
	if critical(e) {
		l.mu.want = seq
	}
	if l.mu.started {
		return seq, queued
	}
	return seq, unstarted
}

func (l *Logger) queueLocked(line []byte) uint64 {
	l.mu.seq++
	before := len(l.mu.pending)
	l.mu.pending = numberLine(append(l.mu.pending, line...), l.tail, l.mu.seq)
	l.mu.spooled += int64(len(l.mu.pending) - before + l.perLine)
	l.mu.pending = append(l.mu.pending, '\n')
	return l.mu.seq
}

// dropLocked counts e as dropped. seq is the number that the log lacks because of it, or 0.
func (l *Logger) dropLocked(e *Event, seq uint64) {
	s := &l.mu.stats
	s.Dropped++
	if s.DroppedByType == nil {
		s.DroppedByType = map[EventType]uint64{}
	}
	t := e.Type
	if _, seen := s.DroppedByType[t]; !seen && len(s.DroppedByType) == MaxEntries-1 {
		t = "other" // types are free text, and the map must be bounded
	}
	s.DroppedByType[t]++
	l.mu.drops.add(t, e.Timestamp, seq)
}

// own queues an event of the log about itself. SpoolBytes does not apply: these events are few, and explain losses.
func (l *Logger) own(e Event) {
	l.complete(&e)
	enc := newEncoder(nil)
	defer enc.free()
	enc.event(&e)
	l.mu.Lock()
	l.mu.stats.Logged++
	l.mu.want = l.queueLocked(enc.buf)
	l.mu.Unlock()
	signal(l.wake)
}

// signal sends to c, which has capacity 1, unless a signal is already pending.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// awaitSync waits until a critical event is on disk.
func (l *Logger) awaitSync(ctx context.Context, e *Event, seq uint64) error {
	if !critical(e) {
		return l.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx == nil {
		if l.mu.stats.Failing {
			return l.notDurableLocked()
		}
		return nil
	}
	if !l.waitLocked(ctx, func() bool { return l.mu.synced.Seq >= seq }) {
		l.mu.stats.NotDurable++
		return l.notDurableLocked()
	}
	return nil
}

func (l *Logger) notDurableLocked() error {
	if s := &l.mu.stats; s.Failing {
		return fmt.Errorf("%w: %s", ErrNotDurable, s.LastError)
	}
	return ErrNotDurable
}

// Err returns an error if no work should begin because it could not be recorded: with FailClosed, while the log cannot be
// written or is stopped. Without FailClosed it returns nil. Call it before a job is admitted.
func (l *Logger) Err() error {
	if l == nil || !l.cfg.FailClosed {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return ErrStopped
	}
	if l.mu.stats.Failing || l.mu.stuck {
		return l.notDurableLocked()
	}
	return nil
}

// Head returns the last line on disk. Keep it on another host for auditlog.VerifyOptions.Known.
func (l *Logger) Head() Mark {
	if l == nil {
		return Mark{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.synced.Mark()
}

// waitLocked waits until cond is true, at most for SyncTimeout, and returns its result. While the disk fails, and after a
// caller has waited for SyncTimeout, no caller waits until the disk makes progress: a disk that does not respond must not stop
// the agent.
func (l *Logger) waitLocked(ctx context.Context, cond func() bool) bool {
	var timeout *time.Timer
	for !cond() {
		if l.mu.stuck || l.cfg.SyncTimeout < 0 {
			return false
		}
		if timeout == nil {
			timeout = time.NewTimer(l.cfg.SyncTimeout)
			defer timeout.Stop()
		}
		if l.mu.progress == nil {
			l.mu.progress = make(chan struct{})
		}
		progress := l.mu.progress
		l.mu.Unlock()
		select {
		case <-progress:
			l.mu.Lock()
		case <-ctx.Done():
			l.mu.Lock()
			return cond()
		case <-timeout.C:
			l.mu.Lock()
			l.mu.stuck = !cond()
		}
	}
	return true
}
