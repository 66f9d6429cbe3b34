package audit

import (
	"io"
	"sync"
	"time"
)

// console prints lines for people. It has a queue and a goroutine of its own, so that a terminal that takes no
// more output holds up neither the log nor those who write to it; lines over the queue are not printed.
type console struct {
	w     io.Writer
	lines chan []byte
	done  chan struct{}

	mu      sync.Mutex
	started bool
	closed  bool
}

// consoleGrace is how long close waits for a blocked output.
const consoleGrace = time.Second

func newConsole(w io.Writer) *console {
	return &console{w: w, lines: make(chan []byte, 256), done: make(chan struct{})}
}

func (c *console) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started || c.closed {
		return
	}
	c.started = true
	go func() {
		defer close(c.done)
		for line := range c.lines {
			_, _ = c.w.Write(line) // nobody is left to tell
		}
	}()
}

// print takes a line; before start and after close it writes it itself.
func (c *console) print(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started || c.closed {
		_, _ = c.w.Write(line)
		return
	}
	select {
	case c.lines <- line:
	default:
	}
}

// close prints what is queued and ends the goroutine.
func (c *console) close() {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	if first && c.started {
		close(c.lines)
	}
	started := c.started
	c.mu.Unlock()
	if !started {
		return
	}
	select {
	case <-c.done:
	case <-time.After(consoleGrace):
	}
}

// human is e as one line for people. details is its JSON, redacted; the rest is redacted and escaped here.
func human(e *Event, clean redactor, details []byte) []byte {
	line := e.Timestamp.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z ")
	word := func(label, key, s string, limit int) {
		if s != "" {
			s, _ = clip(clean.redact(key, s), limit)
			line = appendEscaped(append(append(line, ' '), label...), s)
		}
	}
	word("", "severity", string(e.Severity), MaxIDBytes)
	word("", "type", string(e.Type), MaxIDBytes)
	word("", "message", e.Message, MaxStringBytes)
	word("error=", "error", e.Error, MaxStringBytes)
	word("job=", "job_id", e.JobID, MaxIDBytes)
	word("report=", "report_id", e.ReportID, MaxIDBytes)
	if e.Duration != 0 {
		word("took=", "duration", e.Duration.String(), MaxIDBytes)
	}
	if len(details) > 0 {
		line = append(append(line, ' '), details...)
	}
	return append(line, '\n')
}
