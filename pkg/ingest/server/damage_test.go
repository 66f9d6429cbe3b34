package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
)

// filled returns the path of a closed store of 2,000 findings.
func filled(t *testing.T) string {
	t.Helper()
	s := newStore(t)
	for _, p := range split(t, sample("r", 2000), 500) {
		mustPut(t, s, "a", p)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.cfg.Path
}

func TestDamagedStoreIsRenamed(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"header":    func(b []byte) []byte { clear(b[:100]); return b },
		"first KiB": func(b []byte) []byte { clear(b[100:1100]); return b },
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"garbage":   func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) },
		"pages":     func(b []byte) []byte { copy(b[8*4096:], bytes.Repeat([]byte{0xa5}, 40*4096)); return b },
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, spoil(b), 0o600); err != nil {
				t.Fatal(err)
			}
			recorded := new(testkit.Recorder)
			for range 2 { // the second start finds the new store, and nothing to do
				s, err := OpenStore(StoreConfig{Path: path, Sink: recorded})
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range split(t, sample("again", 30), 10) {
					mustPut(t, s, "a", p)
				}
				if n := len(findings(t, s.Tenant("a"), ingest.Query{})); n != 30 {
					t.Errorf("%d findings", n)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			told := recorded.Events()
			if len(told) != 1 || told[0].Severity != event.Critical || told[0].Error == "" {
				t.Fatalf("events %+v", told)
			}
			if kept, err := os.ReadFile(fmt.Sprint(told[0].Details["renamed_to"])); err != nil || len(kept) == 0 {
				t.Errorf("renamed store has %d bytes, %v; want the damaged one", len(kept), err)
			}
		})
	}
}

// Whichever bytes of the file are damaged, OpenStore succeeds.
func TestEveryStartOfADamagedStoreSucceeds(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += max(len(whole)/24, 1) + 13 {
		b := bytes.Clone(whole)
		for i := at; i < min(at+64, len(b)); i++ {
			b[i] ^= 0xff
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenStore(StoreConfig{Path: path})
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

func TestTwoServersOnOneFileAreRefused(t *testing.T) {
	s := newStore(t)
	_, err := OpenStore(StoreConfig{Path: s.cfg.Path})
	if held := new(LockedError); !errors.As(err, &held) || held.PID != os.Getpid() || !strings.Contains(err.Error(), s.cfg.Path) {
		t.Errorf("%v", err)
	}
	mustPut(t, s, "a", split(t, sample("r", 3), 10)[0])
	if ro, err := OpenStore(StoreConfig{Path: s.cfg.Path, ReadOnly: true}); err != nil {
		t.Errorf("read-only beside a server: %v", err)
	} else if err := ro.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenStore(StoreConfig{Path: s.cfg.Path})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// A full store refuses parts with an answer that makes every client pause, still answers queries and resent parts, and
// continues when there is room.
func TestFullStorePausesItsClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	open := func(limit int64) *Store {
		t.Helper()
		s, err := OpenStore(StoreConfig{Path: path, MaxBytes: limit})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(minStoreBytes)
	_, url := newServer(t, func(c *HandlerConfig) { c.Store = s })
	c := newClient(t, url, tokenA)
	parts := split(t, sample("r", 4000), 200)
	stored := 0
	for ; ; stored++ {
		_, err := c.Upload(t.Context(), parts[stored])
		if err == nil {
			continue
		}
		if e := new(ingest.Error); !errors.As(err, &e) || e.Code != ingest.CodeFull || e.Permanent() || !e.Unavailable() || e.RetryAfter() == 0 {
			t.Fatalf("part %d: %v", stored, err)
		}
		break
	}
	if stored == 0 || stored == len(parts) {
		t.Fatalf("%d parts stored", stored)
	}
	if res := upload(t, c, parts[0]); !res.Duplicate {
		t.Error("a stored part is no duplicate in a full store")
	}
	if st := stats(t, c); int(st.Parts) != stored || st.Rejected != 0 {
		t.Errorf("stats %+v, want %d parts", st, stored)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > minStoreBytes {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(-1)
	defer s.Close()
	for _, p := range parts[stored:] {
		mustPut(t, s, "a", p)
	}
	if n := len(findings(t, s.Tenant("a"), ingest.Query{})); n != 4000 {
		t.Errorf("%d findings", n)
	}
}
