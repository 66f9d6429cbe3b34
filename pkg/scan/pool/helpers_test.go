//go:build unix

package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
)

const serverEnv = "POOL_TEST_SERVER"

// TestMain turns the test binary into the server that a test asks for.
func TestMain(m *testing.M) {
	if how := os.Getenv(serverEnv); how != "" {
		_ = os.Unsetenv(serverEnv) // what it starts is no server
		beServer(how)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var hoard [][]byte

// beServer answers requests; how says what is special: framing, and a bad start.
func beServer(how string) {
	in, out, framing := io.Reader(os.Stdin), io.Writer(os.Stdout), Lines
	for _, word := range strings.Fields(how) {
		switch {
		case word == string(ContentLength):
			framing = ContentLength
		case word == "broken":
			fmt.Fprintln(os.Stderr, "\x1b[31mno license\x1b[0m")
			os.Exit(2)
		case word == "slow":
			time.Sleep(200 * time.Millisecond)
		case word == "deaf":
			time.Sleep(time.Hour)
		case word == "listen":
			network, addr, _ := strings.Cut(os.Args[1], "=")
			l, err := net.Listen(network, addr)
			if err != nil {
				panic(err)
			}
			conn, err := l.Accept()
			if err != nil {
				panic(err)
			}
			in, out = conn, conn
		case word == "http":
			serveHTTP(os.Args[1])
		}
	}
	frames := newFrames(in, framing, 64<<20)
	send := func(b []byte) { _, _ = out.Write(framing.frame(b)) }
	for {
		b, err := frames.next()
		if err != nil {
			return
		}
		m, err := parse(b)
		if err != nil {
			panic(err)
		}
		if !m.isCall() || m.Method == "note" {
			continue
		}
		if m.Method == "ask" { // asks back, and answers with the answer
			ask, _ := call(json.RawMessage(`"a"`), "question", nil)
			send(ask)
			b, _ := frames.next()
			back, err := parse(b)
			if err != nil {
				panic(err)
			}
			send(answer(m.ID, back.Result, back.err()))
			continue
		}
		send(serve(m, send))
	}
}

// serveHTTP answers the same requests over HTTP: the path is the method.
func serveHTTP(addr string) {
	panic(http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		back, err := parse(serve(&message{ID: json.RawMessage("1"), Method: strings.TrimPrefix(r.URL.Path, "/"), Params: body}, nil))
		if err != nil {
			panic(err)
		}
		if back.Error != nil {
			http.Error(w, back.Error.Message, http.StatusUnprocessableEntity)
			return
		}
		_, _ = w.Write(back.Result)
	})))
}

func serve(m *message, send func([]byte)) []byte {
	var n int
	_ = json.Unmarshal(m.Params, &n) // of echo it is anything
	switch m.Method {
	case "pid":
		return answer(m.ID, os.Getpid(), nil)
	case "sleep":
		time.Sleep(time.Duration(n) * time.Millisecond)
	case "refuse":
		return answer(m.ID, nil, &ResponseError{Code: 7, Message: "I will not"})
	case "crash":
		fmt.Fprintln(os.Stderr, "dying words")
		os.Exit(3)
	case "leak":
		b := make([]byte, n<<20)
		for i := range b {
			b[i] = byte(i)
		}
		hoard = append(hoard, b)
		runtime.KeepAlive(hoard)
	case "leak and hang":
		m.Method = "leak"
		serve(m, send)
		time.Sleep(time.Hour)
	case "hang":
		time.Sleep(time.Hour)
	case "garbage":
		return []byte("Listening on port 8080")
	case "wrong":
		return []byte(`{"jsonrpc":"2.0","id":999,"result":1}`)
	case "flood":
		for {
			send([]byte(`{"jsonrpc":"2.0","method":"log","params":{"message":"x"}}`))
		}
	case "huge":
		return answer(m.ID, strings.Repeat("x", n), nil)
	case "chatter":
		for range n {
			fmt.Fprintln(os.Stderr, strings.Repeat("chatter ", 100))
		}
	case "fork":
		cmd := exec.Command("/bin/sh", "-c", "sleep 300")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		return answer(m.ID, cmd.Process.Pid, nil)
	case "exit":
		os.Exit(0)
	}
	return answer(m.ID, m.Params, nil)
}

// server returns the configuration of a pool of test servers.
func server(how string) Config {
	return Config{
		Name: "test", Command: []string{os.Args[0]}, Env: []string{serverEnv + "=run " + how, "GORACE=atexit_sleep_ms=0"}, Grace: 500 * time.Millisecond,
		CallTimeout: 2 * time.Minute, WaitTimeout: 2 * time.Minute, Backoff: time.Millisecond, MaxBackoff: time.Millisecond,
	}
}

// started returns a running pool, and closes it with the test; by then nothing of it may be left, and its numbers must add up.
func started(t *testing.T, c Config) (*Pool, *testkit.Recorder) {
	t.Helper()
	events := &testkit.Recorder{}
	c.Sink = events
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		p.Close(ctx)
		s := p.Stats()
		addUp(t, s)
		if s.Instances+s.Starting+s.Waiting != 0 {
			t.Errorf("left after Close: %+v", s)
		}
	})
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, events
}

func addUp(t *testing.T, s Stats) {
	t.Helper()
	var stopped int64
	for _, n := range s.Stopped {
		stopped += n
	}
	if s.Instances != s.Idle+s.InUse+s.Resting+s.Ending || s.Started != int64(s.Instances)+stopped ||
		s.Gets != s.Granted+s.Exhausted+s.Failed+int64(s.Waiting) || s.Calls != s.Answered+s.Rejected+s.Broken+s.Abandoned+s.Open || s.Open < 0 {
		t.Errorf("the numbers do not add up: %+v", s)
	}
}

func get(t *testing.T, p *Pool) *Server {
	t.Helper()
	s, err := p.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pid(t *testing.T, p *Pool) (pid int) {
	t.Helper()
	if err := p.Call(t.Context(), "pid", nil, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// broken returns the *Error that err must be.
func broken(t *testing.T, err error, want Cause) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Cause != want {
		t.Fatalf("got %v, want an Error with cause %s", err, want)
	}
	return e
}

// until waits for what must come.
func until(t *testing.T, p *Pool, what string, ok func(Stats) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		s := p.Stats()
		addUp(t, s)
		if ok(s) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never came to that: %+v", what, s)
		}
	}
}

// waitEvents waits for n instance_stopped events and returns them.
func waitEvents(t *testing.T, r *testkit.Recorder, n int) []event.Event {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%d instance_stopped events", n), func() bool { return len(r.Events(event.InstanceStopped)) >= n })
	return r.Events(event.InstanceStopped)
}
