//go:build unix

package pool

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// fakeProcess is a server in this process, for tests in virtual time, where no real one can be waited for.
type fakeProcess struct {
	mu     sync.Mutex
	bytes  int64
	cause  proc.Cause // of its end
	exited chan struct{}
	conn   net.Conn
}

func (f *fakeProcess) PID() int                { return 1 }
func (f *fakeProcess) Exited() <-chan struct{} { return f.exited }
func (f *fakeProcess) Memory(limit int64) (int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes, limit > 0 && f.bytes > limit
}
func (f *fakeProcess) Stop() *proc.Result {
	_ = f.conn.Close()
	<-f.exited
	return &proc.Result{Cause: f.cause, Signal: "killed"}
}

// virtual returns a pool whose servers answer every call after a time, and count the moments at which they were started.
func virtual(t *testing.T, c Config, answer time.Duration, start func(n int) error) (p *Pool, starts *[]time.Time) {
	t.Helper()
	c.Command = []string{"virtual"}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	starts = &[]time.Time{}
	p.launch = func(context.Context) (link, error) {
		mu.Lock()
		*starts = append(*starts, time.Now())
		n := len(*starts)
		mu.Unlock()
		if start != nil {
			if err := start(n); err != nil {
				return link{said: &lastWords{}}, err
			}
		}
		ours, theirs := net.Pipe()
		f := &fakeProcess{exited: make(chan struct{}), conn: theirs}
		go func() {
			defer close(f.exited)
			frames := newFrames(theirs, Lines, 1<<20)
			for {
				b, err := frames.next()
				if err != nil {
					return
				}
				m, err := parse(b)
				if err != nil {
					return
				}
				time.Sleep(answer)
				if m.Method == "starve" {
					f.cause = proc.OOM
				}
				if m.Method == "crash" || m.Method == "starve" {
					_ = theirs.Close()
					return
				}
				b = answerTo(m)
				if m.Method == "garbage" {
					b = []byte("oops")
				}
				if m.Method == "hang" {
					_, _ = frames.next() // until it is stopped
					return
				}
				if _, err := theirs.Write(Lines.frame(b)); err != nil {
					return
				}
			}
		}()
		return link{process: f, in: ours, out: ours, said: &lastWords{}, close: func() { _ = ours.Close() }}, nil
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, starts
}

func answerTo(m *message) []byte { return answer(m.ID, m.Params, nil) }

func TestPausesBetweenFailedStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := Config{Backoff: time.Second, MaxBackoff: 5 * time.Second, MaxFailures: 6, WaitTimeout: -1}
		p, starts := virtual(t, c, 0, func(int) error { return errors.New("no license") })
		defer p.Close(t.Context())
		e := broken(t, p.Call(t.Context(), "x", nil, nil), Start)
		var at []time.Duration
		for _, s := range *starts {
			at = append(at, s.Sub(begin))
		}
		want := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 12 * time.Second, 17 * time.Second}
		if len(at) != len(want) || e.RetryAfter.Sub(begin) != 22*time.Second {
			t.Fatalf("starts at %v, again after %v", at, e.RetryAfter.Sub(begin))
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("starts at %v, want %v", at, want)
			}
		}
		time.Sleep(4 * time.Second)
		broken(t, p.Call(t.Context(), "x", nil, nil), Start) // still given up: nothing is started
		if len(*starts) != 6 {
			t.Errorf("%d starts", len(*starts))
		}
		time.Sleep(2 * time.Second)
		broken(t, p.Call(t.Context(), "x", nil, nil), Start) // one more try
		if len(*starts) != 7 {
			t.Errorf("%d starts", len(*starts))
		}
	})
}

func TestAnAnswerEndsTheRowOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, starts := virtual(t, Config{Max: 1, WaitTimeout: -1}, time.Millisecond, func(n int) error {
			if n < 4 {
				return errors.New("not yet")
			}
			return nil
		})
		defer p.Close(t.Context())
		if err := p.Call(t.Context(), "x", 1, nil); err != nil || len(*starts) != 4 || p.Stats().Failures != 0 {
			t.Errorf("%v after %d starts, %d failures", err, len(*starts), p.Stats().Failures)
		}
	})
}

// A server that the kernel has ended for want of memory has not crashed.
func TestTheKernelEndsAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := virtual(t, Config{Max: 1}, time.Millisecond, nil)
		defer p.Close(t.Context())
		broken(t, p.Call(t.Context(), "starve", nil, nil), Memory)
		synctest.Wait()
		if s := p.Stats(); s.Stopped[Memory] != 1 || s.Stopped[Crash] != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestIdleServersEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := virtual(t, Config{Max: 4, MinIdle: 1, IdleTimeout: time.Minute}, time.Second, nil)
		defer p.Close(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := p.Call(t.Context(), "x", nil, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s := p.Stats(); s.Idle != 4 {
			t.Errorf("%+v", s)
		}
		time.Sleep(50 * time.Second)
		if s := p.Stats(); s.Idle != 4 {
			t.Errorf("too early: %+v", s)
		}
		time.Sleep(20 * time.Second)
		if s := p.Stats(); s.Idle != 1 || s.Stopped[Idle] != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// Callers come, wait, give up and go at random; nobody is forgotten, and nobody is served before somebody who waits longer.
func TestNobodyIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := virtual(t, Config{Max: 3, MaxCalls: 7, WaitTimeout: -1, MaxWaiting: 1000, IdleTimeout: -1}, 30*time.Millisecond, nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		served, gaveUp := 0, 0
		for i := range 300 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond)
				ctx := t.Context()
				if i%3 == 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i%50)*10*time.Millisecond)
					defer cancel()
				}
				err := p.Call(ctx, "x", nil, nil)
				addUp(t, p.Stats())
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					served++
				case i%3 == 0 && errors.Is(err, context.DeadlineExceeded):
					gaveUp++
				default:
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		s := p.Stats()
		if served+gaveUp != 300 || served < 200 || s.Waiting != 0 || s.InUse != 0 || s.Open != 0 {
			t.Errorf("%d served, %d gave up: %+v", served, gaveUp, s)
		}
		p.Close(t.Context())
		addUp(t, p.Stats())
	})
}

// Servers crash, hang and talk nonsense; starts fail; callers give up. Everybody gets an answer or a reason, and every number adds up.
func TestChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{
			Max: 4, MinIdle: 2, CallTimeout: 100 * time.Millisecond, WaitTimeout: 5 * time.Second, MaxWaiting: 20, IdleTimeout: time.Second, Grace: time.Millisecond,
			Health: Request{Method: "x"}, HealthInterval: time.Second, MaxFailures: 3, Backoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
		}
		p, _ := virtual(t, c, 3*time.Millisecond, func(n int) error {
			if n%5 == 3 {
				return errors.New("no license")
			}
			return nil
		})
		methods := []string{"x", "x", "x", "crash", "x", "x", "garbage", "x", "x", "x", "hang", "x", "x"}
		results := map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 600 {
			wg.Go(func() {
				time.Sleep(time.Duration(i*7) * time.Millisecond)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%11 == 0 {
					time.AfterFunc(time.Duration(i%5)*time.Millisecond, cancel)
				}
				err := p.Call(ctx, methods[i%len(methods)], i, nil)
				addUp(t, p.Stats())
				var broke *Error
				var busy *ExhaustedError
				kind := "answered"
				switch {
				case errors.As(err, &broke):
					kind = string(broke.Cause)
				case errors.As(err, &busy):
					kind = "exhausted"
				case errors.Is(err, context.Canceled):
					kind = "gave up"
				case err != nil:
					t.Errorf("caller %d: %v", i, err)
				}
				mu.Lock()
				results[kind]++
				mu.Unlock()
			})
		}
		wg.Wait()
		t.Logf("%v; %+v", results, p.Stats())
		for _, kind := range []string{"answered", "crash", "garbage", "timeout", "gave up"} {
			if results[kind] == 0 {
				t.Errorf("nobody %s: %v", kind, results)
			}
		}
		p.Close(t.Context())
		if s := p.Stats(); s.Instances+s.Waiting+s.Starting+int(s.Open) != 0 {
			t.Errorf("%+v", s)
		}
		addUp(t, p.Stats())
	})
}
