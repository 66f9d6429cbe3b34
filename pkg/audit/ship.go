package audit

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// shipper sends the lines of the log to a collector, in order and one request at a time. It reads them from the files, and
// only what is synced: so it holds up nobody, needs no queue of its own, and never sends a line that a power cut could
// take back. How far the collector has them is in a file beside the log; what was sent after that was last written is
// sent again, and the collector knows it by its numbers.
type shipper struct {
	log    *Logger
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
	chain    string      // of line at.Acked as the log has it now; empty: not known
	lines    *lineReader // nil: to be opened at at
	held     *rawLine    // read, and not in a batch yet
	loose    []byte      // headers and trailers before the next line
	batch    *batch      // on its way
	most     int         // lines of a batch
	limit    int         // the same, while the collector takes only smaller ones
	linger   time.Duration
	failures int // in a row
	pause    pauses
	told     outcome // what the log was last told of
	broken   string  // the last file that could not be read, which it was told of too

	mu struct {
		sync.Mutex
		stats RemoteStats
	}
}

// The bounds of a batch, and of the time it takes.
const (
	batchLines    = 1000
	batchBytes    = 512 << 10 // and one line more at most
	sendTimeout   = 30 * time.Second
	shipLinger    = time.Second     // between a batch that was not full and the next one
	shipStopGrace = 3 * time.Second // to send what is left at Stop
)

func newShipper(l *Logger) *shipper {
	s := &shipper{log: l, url: remoteURL(l.cfg.RemoteEndpoint), path: l.cfg.LogFile, client: remoteClient(l.cfg.RemoteTransport),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), most: batchLines, limit: batchLines, linger: shipLinger, pause: newPauses()}
	s.to = l.cfg.AgentID + " " + s.url
	s.ctx, s.cut = context.WithCancel(context.Background())
	if err := l.io.file.f.Sync(); err != nil { // the last lines may be of a process that was killed before it did
		l.complain(err.Error())
	}
	s.load()
	return s
}

// more says that lines were synced. It never waits, and does nothing where nothing is sent.
func (s *shipper) more() {
	if s != nil {
		signal(s.wake)
	}
}

// run sends until finish is called, and then what is left, unless the collector has trouble.
func (s *shipper) run() {
	defer close(s.done)
	defer s.client.CloseIdleConnections()
	defer s.closeLines()
	for s.sleep(s.step()) {
	}
	for s.failures == 0 && s.ctx.Err() == nil && s.step() >= 0 {
	}
}

// finish ends run, within shipStopGrace.
func (s *shipper) finish() {
	close(s.quit)
	grace := time.AfterFunc(shipStopGrace, s.cut)
	defer grace.Stop()
	defer s.cut()
	select {
	case <-s.done:
	case <-time.After(shipStopGrace + time.Second): // a token source that does not return
	}
}

// untilWoken is a wait without an end.
const untilWoken = time.Duration(-1)

// sleep waits for d, and reports whether to go on.
func (s *shipper) sleep(d time.Duration) bool {
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

// step sends one batch and returns the time until the next.
func (s *shipper) step() time.Duration {
	if s.batch == nil {
		b, err := s.read()
		if err != nil {
			s.closeLines()
			return s.fail(answer{outcome: again, err: err})
		}
		if b == nil {
			s.caughtUp()
			return untilWoken
		}
		s.batch = b
	}
	s.note(func(st *RemoteStats) { st.oldest, st.LagBytes = s.batch.oldest, s.lagBytes() })
	a := s.post(s.batch)
	if s.ctx.Err() != nil {
		return untilWoken // cut at Stop: that is no failure
	}
	return s.settle(a)
}

// settle does what the collector's answer asks for.
func (s *shipper) settle(a answer) time.Duration {
	b := s.batch
	switch a.outcome {
	case taken:
		full := b.lines >= s.limit || len(b.raw) >= batchBytes
		s.limit = min(s.limit+s.most/64+1, s.most) // the collector may have changed
		s.advance(true)
		s.note(func(st *RemoteStats) {
			st.Failing = false
			st.Batches++
			st.Lines += uint64(b.lines)
			st.Bytes += uint64(len(b.raw))
		})
		s.failures, s.told = 0, taken
		s.pause.reset()
		if full {
			return 0
		}
		return s.linger
	case tooLarge:
		if b.lines > 1 {
			s.limit = b.lines / 2
			s.reread()
			return s.fail(answer{outcome: again, err: a.err, soon: true})
		}
		a.outcome = refused
	case behind:
		a.outcome = again
		if a.seq != s.at.Acked && a.seq < b.last.Seq { // it lost what it had, or our cursor is lost
			s.at.cursor, s.at.Acked, s.chain = cursor{Seq: a.seq}, a.seq, ""
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
func (s *shipper) fail(a answer) time.Duration {
	s.failures++
	s.note(func(st *RemoteStats) {
		st.Failures, st.Failing, st.LastError, st.LastErrorAt = st.Failures+1, true, redact(a.err.Error()), time.Now()
	})
	if (a.outcome == unauthorized || a.outcome == forked) && a.outcome != s.told {
		s.told = a.outcome
		s.log.own(a.event(s.at.Acked))
	}
	if a.soon {
		return 0
	}
	return max(s.pause.next(a.outcome), a.after)
}

// advance leaves the batch behind: the collector took it, or will never.
func (s *shipper) advance(acked bool) {
	b := s.batch
	s.at.cursor, s.batch, s.chain = b.end, nil, ""
	if acked {
		s.at.Acked, s.chain = b.last.Seq, b.last.Chain
	}
	err := s.save()
	s.note(func(st *RemoteStats) {
		if err != nil { // then the collector gets lines twice after a restart
			st.LastError, st.LastErrorAt = err.Error(), time.Now()
		}
	})
}

// reread forgets what was read behind the cursor.
func (s *shipper) reread() {
	s.batch = nil
	s.closeLines()
}

func (s *shipper) caughtUp() {
	if runtime.GOOS == "windows" {
		s.closeLines() // an open file cannot be renamed there: the log would never rotate
	}
	s.note(func(st *RemoteStats) { st.oldest, st.LagBytes = time.Time{}, 0 })
}
