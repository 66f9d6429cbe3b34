package audit

import (
	"bytes"
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// writePauses are the pauses between attempts to write to a disk that fails.
var writePauses = retry.Policy{Initial: 100 * time.Millisecond, Max: 5 * time.Second}

// run is the writer. It writes whenever there are lines, so that a batch has the lines that were logged while the batch before
// was written.
func (l *Logger) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-l.wake:
		case <-timer.C:
		}
		_ = l.pass(false) // Stats has the error; the lines wait in memory
		timer.Reset(l.untilDue())
	}
}

// untilDue returns the time until the next pass that no event causes: a sync, a retry or a check of the free space.
func (l *Logger) untilDue() time.Duration {
	l.io.Lock()
	defer l.io.Unlock()
	l.mu.Lock()
	owing := l.mu.drops.total > 0
	l.mu.Unlock()
	switch {
	case owing:
		return spaceInterval
	case !l.io.retryAt.IsZero():
		return time.Until(l.io.retryAt)
	case l.io.lines > 0 && l.cfg.FlushInterval > 0:
		return time.Until(l.io.since.Add(l.cfg.FlushInterval))
	}
	return time.Hour
}

// flushAll writes and syncs all lines, including the ones that the log adds about itself meanwhile.
func (l *Logger) flushAll() error {
	for range 4 { // a pass may add events of the log about itself, and writing them may add more
		if err := l.pass(true); err != nil {
			return err
		}
		l.mu.Lock()
		empty := len(l.mu.pending) == 0
		l.mu.Unlock()
		if empty {
			break
		}
	}
	return nil
}

// pass writes the pending lines, and syncs them if a sync is due or force is true.
func (l *Logger) pass(force bool) error {
	l.io.Lock()
	defer l.io.Unlock()
	if !force && time.Now().Before(l.io.retryAt) {
		return nil
	}
	l.checkSpace(time.Now())
	l.takePending()
	err := l.writeOut()
	if err == nil && l.syncDue(force) {
		err = l.syncOut()
	}
	l.settle(err)
	return err
}

// takePending seals the pending lines.
func (l *Logger) takePending() {
	l.mu.Lock()
	l.io.raw, l.mu.pending = l.mu.pending, l.io.raw[:0]
	l.mu.Unlock()
	for raw := l.io.raw; len(raw) > 0; {
		n := bytes.IndexByte(raw, '\n')
		l.io.out = l.io.seal.Seal(l.io.out, raw[:n])
		raw = raw[n+1:]
	}
	if cap(l.io.raw) > 1<<20 && len(l.io.raw) < cap(l.io.raw)/8 {
		l.io.raw = nil // a burst is over
	}
}

// writeOut writes the sealed lines to the file, and rotates it whenever it is full.
func (l *Logger) writeOut() error {
	for l.io.written < len(l.io.out) {
		if err := l.io.file.ready(); err != nil {
			return err
		}
		if l.io.lines > 0 && l.io.file.at == l.io.file.syncedAt {
			l.rewind() // the file may no longer have the lines that were not synced
		}
		chunk := l.io.out[l.io.written:]
		chunk = chunk[:l.io.file.fit(chunk)]
		if len(chunk) == 0 {
			if err := l.rotate(); err != nil {
				return err
			}
			continue
		}
		n, err := l.io.file.write(chunk)
		l.wrote(chunk[:n])
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Logger) wrote(lines []byte) {
	n := uint64(bytes.Count(lines, []byte("\n")))
	if l.io.lines == 0 {
		l.io.since = time.Now()
	}
	l.io.written += len(lines)
	l.io.lines += n
	l.mu.Lock()
	l.mu.stats.Written += n
	l.mu.stats.Bytes += uint64(len(lines))
	l.mu.Unlock()
}

func (l *Logger) rotate() error {
	if !l.io.file.damaged {
		if err := l.syncOut(); err != nil {
			return err
		}
	}
	before := l.io.file.rotated
	err := l.io.file.rotate()
	if l.io.file.rotated > before {
		signal(l.rotated)
	}
	l.mu.Lock()
	l.mu.stats.Rotations = l.io.file.rotated
	l.mu.Unlock()
	return err
}

func (l *Logger) syncDue(force bool) bool {
	if l.io.lines == 0 {
		return false
	}
	l.mu.Lock()
	asked := l.mu.want > l.mu.synced.Seq
	l.mu.Unlock()
	return force || asked ||
		l.cfg.BufferSize > 0 && l.io.lines >= uint64(l.cfg.BufferSize) ||
		l.cfg.FlushInterval > 0 && time.Since(l.io.since) >= l.cfg.FlushInterval ||
		int64(l.io.written) > l.cfg.SpoolBytes/4 // written lines occupy the spool until they are synced
}

// syncOut syncs the file and discards the lines in memory. If the sync fails, the lines count as not written, and are written
// again to the next file.
func (l *Logger) syncOut() error {
	if err := l.io.file.sync(); err != nil {
		l.rewind()
		return err
	}
	l.writeHead()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.synced = l.io.file.syncedAt
	l.ship.More()
	l.mu.stats.Synced += l.io.lines
	l.mu.spooled -= int64(l.io.written)
	used := len(l.io.out)
	l.io.out = l.io.out[:copy(l.io.out, l.io.out[l.io.written:])]
	if cap(l.io.out) > 1<<20 && len(l.io.out) == 0 && used < cap(l.io.out)/8 {
		l.io.out = nil // a burst is over
	}
	l.io.written, l.io.lines = 0, 0
	return nil
}

// rewind makes the next write repeat the lines that were written but not synced.
func (l *Logger) rewind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.stats.Written -= l.io.lines
	l.mu.stats.Bytes -= uint64(l.io.written)
	l.io.written, l.io.lines = 0, 0
}

// settle ends a pass with result err: it records failure or recovery, wakes the callers that wait, and queues the events of
// the log about itself.
func (l *Logger) settle(err error) {
	now := time.Now()
	events := l.io.file.notes
	l.io.file.notes = nil
	l.mu.Lock()
	s := &l.mu.stats
	newlyFailing := err != nil && !s.Failing
	if newlyFailing {
		l.mu.failingSince = now
	}
	if err == nil && s.Failing {
		events = append(events, Event{Type: EventAuditError, Severity: SeverityError, Message: "The log could not be written for a time",
			Error: s.LastError, Duration: now.Sub(l.mu.failingSince)})
	}
	if err == nil && l.mu.drops.total > 0 && l.mu.space != dire {
		events = append(events, l.mu.drops.take())
	}
	s.Failing, l.mu.stuck = err != nil, err != nil
	if err != nil {
		s.LastError, s.LastErrorAt = err.Error(), now
	}
	if l.mu.progress != nil {
		close(l.mu.progress)
		l.mu.progress = nil
	}
	l.mu.Unlock()

	if err == nil {
		l.io.retryAt, l.io.failures = time.Time{}, 0
	} else {
		l.io.failures++
		l.io.retryAt = now.Add(writePauses.Delay(l.io.failures))
		l.writeHead()
	}
	if newlyFailing {
		l.complain(fmt.Sprintf("lines wait in memory: %v", err))
	}
	for _, e := range events {
		l.own(e)
	}
}

// writeHead writes the last line on disk to the sidecars. An error loses evidence but no lines, so it is only reported.
func (l *Logger) writeHead() {
	lf := l.io.file
	m := lf.syncedAt.Mark()
	l.mu.Lock()
	s := &l.mu.stats
	rec := logfile.Head{Seq: m.Seq, Chain: m.Chain, FileID: lf.id, Offset: lf.synced, Lost: l.mu.drops.total,
		LostFirst: l.mu.drops.firstSeq, LostLast: l.mu.drops.lastSeq}
	if s.Failing {
		rec.Lost += s.Logged - s.Synced - s.Dropped
	}
	l.mu.Unlock()
	err := logfile.WriteRecord(l.io.head, rec)
	if l.io.key != nil && err == nil {
		err = logfile.WriteRecord(l.io.key.File, l.io.seal.Key.Key())
	}
	if err != nil && !l.io.headFails {
		l.complain(fmt.Sprintf("the head of the log is not written: %v", err))
	}
	l.io.headFails = err != nil
}
