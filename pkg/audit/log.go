package audit

import (
	"context"
	"time"
)

// Record logs e; it makes a Logger an event.Sink.
func (l *Logger) Record(e Event) { l.log(context.Background(), e) }

// Log logs e. It encodes e before it returns and keeps nothing of it. A critical event (see the package comment) is
// on disk when Log returns, unless SyncTimeout passed or the disk is known to fail, which Stats counts as NotDurable.
// Other events only wait, for as long at most, when a healthy disk is slower than the events come; else they do not.
func (l *Logger) Log(e Event) { l.log(context.Background(), e) }

func (l *Logger) log(ctx context.Context, e Event) {
	if l == nil {
		return
	}
	l.complete(&e)
	enc := newEncoder()
	defer enc.free()
	enc.event(&e)
	if l.cfg.Verbose {
		l.console.print(human(&e, enc.details()))
	}
	switch seq, how := l.accept(ctx, &e, enc.buf); how {
	case unstarted:
		_ = l.pass(critical(&e)) // Stats and the console say what went wrong
		l.awaitSync(ctx, &e, seq)
	case queued:
		l.signal()
		l.awaitSync(ctx, &e, seq)
	case firstLate:
		l.console.print(append([]byte("audit: logged after Stop, in no file: "), human(&e, enc.details())...))
	}
}

// complete fills in what the producer left open.
func (l *Logger) complete(e *Event) {
	if y := e.Timestamp.UTC().Year(); e.Timestamp.IsZero() || y < 1 || y > 9999 {
		e.Timestamp = time.Now() // RFC 3339 has four digits for a year
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
	case EventAuthFailed, EventAgentStart, EventAgentStop:
		return true
	}
	return e.Severity == SeverityCritical
}

// accepted says what became of an event.
type accepted int

const (
	dropped   accepted = iota
	firstLate          // dropped, and the first to come after Stop
	queued             // for the writer
	unstarted          // queued, and there is no writer yet
)

// accept numbers the line and queues it, or counts it as dropped.
func (l *Logger) accept(ctx context.Context, e *Event, line []byte) (seq uint64, how accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(len(line) + endLineMax)
	limit := l.cfg.SpoolBytes
	if e.Severity.Rank() < SeverityError.Rank() && !critical(e) {
		limit -= limit / 4 // the last quarter is for what matters most
	}
	if l.mu.started && !l.mu.closed {
		l.waitLocked(ctx, func() bool { return l.mu.closed || l.mu.spooled+size <= limit })
	}
	l.mu.stats.Logged++
	if l.mu.closed {
		l.dropLocked(e)
		if l.mu.stats.AfterStop++; l.mu.stats.AfterStop == 1 {
			how = firstLate
		}
		return 0, how
	}
	if l.mu.spooled+size > limit {
		l.dropLocked(e)
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
	l.mu.pending = endLine(append(l.mu.pending, line...), l.mu.seq)
	l.mu.spooled += int64(len(l.mu.pending) - before)
	return l.mu.seq
}

func (l *Logger) dropLocked(e *Event) {
	s := &l.mu.stats
	s.Dropped++
	if s.DroppedByType == nil {
		s.DroppedByType = map[EventType]uint64{}
	}
	t := e.Type
	if _, seen := s.DroppedByType[t]; !seen && len(s.DroppedByType) == MaxEntries-1 {
		t = "other" // types are free text: a map of them has to end somewhere
	}
	s.DroppedByType[t]++
	l.mu.drops.add(t, e.Timestamp)
}

// own queues an event of the log about itself. It has no limit: there are few, and they explain what is missing.
func (l *Logger) own(e Event) {
	l.complete(&e)
	enc := newEncoder()
	defer enc.free()
	enc.event(&e)
	l.mu.Lock()
	l.mu.stats.Logged++
	l.mu.want = l.queueLocked(enc.buf)
	l.mu.Unlock()
	l.signal()
}

// signal wakes the writer, once for any number of calls until it looks.
func (l *Logger) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// awaitSync waits until a critical event is on disk.
func (l *Logger) awaitSync(ctx context.Context, e *Event, seq uint64) {
	if !critical(e) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.waitLocked(ctx, func() bool { return l.base+l.mu.stats.Synced >= seq }) {
		l.mu.stats.NotDurable++
	}
}

// waitLocked waits until cond is true, for SyncTimeout at most, and returns whether it is. When the disk fails, or
// someone has waited in vain, nobody waits until it moves again: a disk that hangs must not hang the agent.
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
