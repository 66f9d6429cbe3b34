// Package ship sends an audit log to a collector, in order and from its files, and remembers how far the collector has it.
package ship

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// shipper sends the lines of the log to a collector, in order and one request at a time. It reads them from the files, and
// only what is synced: so it holds up nobody, needs no queue of its own, and never sends a line that a power cut could
// take back. How far the collector has them is in a file beside the log; what was sent after that was last written is
// sent again, and the collector knows it by its numbers.
type Shipper struct {
	cfg    Config
	url    string
	path   string // of the log
	to     string // whom the cursor is of
	client *http.Client

	wake chan struct{} // holds one: lines were synced
	quit chan struct{}
	done chan struct{}
	ctx  context.Context // of requests
	cut  context.CancelFunc

	// Of run alone.
	at       shipCursor
	chain    string           // of line at.Acked as the log has it now; empty: not known
	lines    *logfile.Reader  // nil: to be opened at at
	held     *logfile.RawLine // read, and not in a batch yet
	loose    []byte           // headers and trailers before the next line
	batch    *batch           // on its way
	Most     int              // lines of a batch
	Limit    int              // the same, while the collector takes only smaller ones
	Linger   time.Duration    // the pause after a batch that was not full; New sets a second
	Grace    time.Duration    // the time for what is left when Finish is called; New sets StopGrace
	failures int              // in a row
	Pauses   Pauses
	told     outcome // what the log was last told of
	broken   string  // the last file that could not be read, which it was told of too

	mu struct {
		sync.Mutex
		stats Stats
	}
}

// The bounds of a batch, and of the time it takes.
const (
	batchLines  = 1000
	batchBytes  = 512 << 10 // and one line more at most
	sendTimeout = 30 * time.Second
	shipLinger  = time.Second     // between a batch that was not full and the next one
	StopGrace   = 3 * time.Second // to send what is left at Stop
)

// New returns a Shipper. It starts nothing. The lines that are in the files must be on disk.
func New(cfg Config) *Shipper {
	s := &Shipper{cfg: cfg, url: remoteURL(cfg.Endpoint), path: cfg.Path, client: remoteClient(cfg.Transport),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), Most: batchLines, Limit: batchLines, Linger: shipLinger, Grace: StopGrace, Pauses: newPauses()}
	s.to = cfg.AgentID + " " + s.url
	s.ctx, s.cut = context.WithCancel(context.Background())
	s.load()
	return s
}

// More says that lines were synced. It never waits, and does nothing where nothing is sent.
func (s *Shipper) More() {
	if s != nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Run sends until finish is called, and then what is left, unless the collector has trouble.
func (s *Shipper) Run() {
	defer close(s.done)
	defer s.client.CloseIdleConnections()
	defer s.CloseLines()
	for s.sleep(s.Step()) {
	}
	for s.failures == 0 && s.ctx.Err() == nil && s.Step() >= 0 {
	}
}

// Finish ends Run within Grace.
func (s *Shipper) Finish() {
	close(s.quit)
	grace := time.AfterFunc(s.Grace, s.cut)
	defer grace.Stop()
	defer s.cut()
	select {
	case <-s.done:
	case <-time.After(s.Grace + time.Second): // a token source that does not return
	}
}

// untilWoken is a wait without an end.
const untilWoken = time.Duration(-1)

// sleep waits for d, and reports whether to go on.
func (s *Shipper) sleep(d time.Duration) bool {
	var timeout <-chan time.Time
	wake := s.wake
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout, wake = t.C, nil
	}
	select {
	case <-s.quit:
		return false
	case <-timeout:
	case <-wake:
	}
	select {
	case <-s.quit:
		return false
	default:
		return true
	}
}

// Step sends one batch and returns the time until the next.
func (s *Shipper) Step() time.Duration {
	if s.batch == nil {
		b, err := s.read()
		if err != nil {
			s.CloseLines()
			return s.fail(answer{outcome: again, err: err})
		}
		if b == nil {
			s.caughtUp()
			return untilWoken
		}
		s.batch = b
	}
	s.note(func(st *Stats) { st.oldest, st.LagBytes = s.batch.oldest, s.lagBytes() })
	a := s.post(s.batch)
	if s.ctx.Err() != nil {
		return untilWoken // cut at Stop: that is no failure
	}
	return s.settle(a)
}

// settle does what the collector's answer asks for.
func (s *Shipper) settle(a answer) time.Duration {
	b := s.batch
	switch a.outcome {
	case taken:
		full := b.lines >= s.Limit || len(b.raw) >= batchBytes
		s.Limit = min(s.Limit+s.Most/64+1, s.Most) // the collector may have changed
		s.advance(true)
		s.note(func(st *Stats) {
			st.Failing = false
			st.Batches++
			st.Lines += uint64(b.lines)
			st.Bytes += uint64(len(b.raw))
		})
		s.failures, s.told = 0, taken
		s.Pauses.reset()
		if full {
			return 0
		}
		return s.Linger
	case tooLarge:
		if b.lines > 1 {
			s.Limit = b.lines / 2
			s.reread()
			return s.fail(answer{outcome: again, err: a.err, soon: true})
		}
		a.outcome = refused
	case behind:
		a.outcome = again
		if a.seq != s.at.Acked && a.seq < b.last.Seq { // it lost what it had, or our cursor is lost
			s.at.Cursor, s.at.Acked, s.chain = logfile.Cursor{Seq: a.seq}, a.seq, ""
			s.reread()
			a.soon = s.failures < 3
		}
	}
	if a.outcome == refused {
		if err := s.reject(a); err != nil {
			a = answer{outcome: again, err: errors.Join(a.err, err)}
		}
	}
	return s.fail(a)
}

// fail notes what went wrong, tells the log once, and returns when to try again.
func (s *Shipper) fail(a answer) time.Duration {
	s.failures++
	s.note(func(st *Stats) {
		st.Failures, st.Failing, st.LastError, st.LastErrorAt = st.Failures+1, true, s.cfg.Redact(a.err.Error()), time.Now()
	})
	if (a.outcome == unauthorized || a.outcome == forked) && a.outcome != s.told {
		s.told = a.outcome
		s.cfg.Record(a.event(s.at.Acked))
	}
	if a.soon {
		return 0
	}
	return max(s.Pauses.next(a.outcome), a.after)
}

// advance leaves the batch behind: the collector took it, or will never.
func (s *Shipper) advance(acked bool) {
	b := s.batch
	s.at.Cursor, s.batch, s.chain = b.end, nil, ""
	if acked {
		s.at.Acked, s.chain = b.last.Seq, b.last.Chain
	}
	err := s.save()
	s.note(func(st *Stats) {
		if err != nil { // then the collector gets lines twice after a restart
			st.LastError, st.LastErrorAt = err.Error(), time.Now()
		}
	})
}

// reread forgets what was read behind the cursor.
func (s *Shipper) reread() {
	s.batch = nil
	s.CloseLines()
}

func (s *Shipper) caughtUp() {
	if runtime.GOOS == "windows" {
		s.CloseLines() // an open file cannot be renamed there: the log would never rotate
	}
	s.note(func(st *Stats) { st.oldest, st.LagBytes = time.Time{}, 0 })
}
