//go:build unix

package pool

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestRealLanguageServer takes a pool of real gopls, which `make pool` builds and names in POOL_GOPLS, through a life: a handshake,
// calls of many callers, a kill from outside, and a quiet end.
func TestRealLanguageServer(t *testing.T) {
	gopls := os.Getenv("POOL_GOPLS")
	if gopls == "" {
		t.Skip("POOL_GOPLS names no gopls: run make pool")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	document := map[string]any{"textDocument": map[string]string{"uri": "file://" + filepath.Join(root, "pkg", "scan", "pool", "pool.go")}}
	c := Config{
		Command: []string{gopls, "serve"}, Framing: ContentLength, Max: 2, MinIdle: 1, MemoryBytes: 2 << 30, StartTimeout: 5 * time.Minute, CallTimeout: 5 * time.Minute,
		WaitTimeout: 5 * time.Minute, Env: []string{"HOME=" + home, "PATH=" + filepath.Dir(goTool) + ":/usr/bin:/bin", "GOFLAGS=-mod=readonly"}, Dir: root,
		Initialize: func(ctx context.Context, s *Server) error {
			uri := "file://" + root
			folders := []map[string]string{{"uri": uri, "name": "sdk"}}
			if err := s.Call(ctx, "initialize", map[string]any{"processId": os.Getpid(), "rootUri": uri, "workspaceFolders": folders, "capabilities": map[string]any{}}, nil); err != nil {
				return err
			}
			return s.Notify(ctx, "initialized", map[string]any{})
		},
		Shutdown: []Request{{Method: "shutdown"}, {Method: "exit", Notify: true}}, Grace: 10 * time.Second,
	}
	begin := time.Now()
	p, _ := started(t, c)
	t.Logf("first server ready after %s", time.Since(begin).Round(time.Millisecond))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			begin := time.Now()
			var symbols []struct{ Name string }
			if err := p.Call(t.Context(), "textDocument/documentSymbol", document, &symbols); err != nil || len(symbols) == 0 {
				t.Errorf("caller %d: %d symbols, %v", i, len(symbols), err)
			}
			t.Logf("caller %d: %d symbols after %s", i, len(symbols), time.Since(begin).Round(time.Millisecond))
		})
	}
	wg.Wait()
	s := get(t, p)
	kill(t, s.PID())
	var e *Error
	if err := s.Call(t.Context(), "textDocument/documentSymbol", document, nil); !errors.As(err, &e) || e.Cause != Crash {
		t.Errorf("a killed server: %v", err)
	}
	s.Release()
	var refused *ResponseError
	if err := p.Call(t.Context(), "no/such/method", nil, nil); !errors.As(err, &refused) {
		t.Errorf("a method that it does not know: %v", err)
	}
	p.weigh()
	begin = time.Now()
	p.Close(t.Context())
	last := p.Stats()
	t.Logf("closed after %s; peak memory of one server %d MiB; %+v", time.Since(begin).Round(time.Millisecond), last.PeakMemory>>20, last)
}
