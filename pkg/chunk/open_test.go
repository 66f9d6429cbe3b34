package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/part"
)

func TestAllConfigProblemsAreNamed(t *testing.T) {
	bad := Config{
		MinFindingsForChunking: -1, MinAssetsForChunking: -1, MinSizeForChunking: -1, MaxFindingsPerChunk: -1, MaxAssetsPerChunk: -1,
		MaxChunkSizeBytes: 1 << 40, CompressionLevel: 22, UploadDelayMs: -2, MaxConcurrentUploads: -1, MaxRetries: -2, RetentionHours: -2,
		DeadRetentionHours: -2, MaxStorageMB: -2, CleanupIntervalMinutes: -2, DropUnsent: true, DatabasePath: filepath.Join(t.TempDir(), "no.db"),
	}
	_, err := NewManager(&bad)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"chunk.min_findings_for_chunking: -1", "chunk.min_assets_for_chunking: -1", "chunk.min_size_for_chunking: -1", "chunk.max_findings_per_chunk: -1",
		"chunk.max_assets_per_chunk: -1", "chunk.max_chunk_size_bytes: 1099511627776", "chunk.compression_level: 22 is outside 1 to 9", "chunk.upload_delay_ms: -2",
		"chunk.max_concurrent_uploads: -1", "chunk.max_retries: -2", "chunk.retention_hours: -2", "chunk.dead_retention_hours: -2", "chunk.max_storage_mb: -2",
		"chunk.cleanup_interval_minutes: -2", "chunk.drop_unsent",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := os.Stat(bad.DatabasePath); !os.IsNotExist(err) {
		t.Errorf("a refused configuration made a file: %v", err)
	}
}

func TestZeroFieldsMeanDefaultsAndTheConfigIsCopied(t *testing.T) {
	cfg := Config{DatabasePath: filepath.Join(t.TempDir(), "c.db")}
	before := cfg
	m, err := NewManager(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !reflect.DeepEqual(cfg, before) {
		t.Errorf("NewManager wrote to the caller's struct: %+v", cfg)
	}
	want := *DefaultConfig()
	want.DatabasePath, want.AutoCleanupOnUpload, want.CleanupOnReportComplete, want.AggressiveCleanup = cfg.DatabasePath, false, false, false
	got := m.cfg
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	cfg.MaxRetries = 77
	if _, retries, _ := m.UploadLimits(); retries != 0 {
		t.Errorf("UploadLimits after the caller changed its Config = %d retries, want 0", retries)
	}
}

func TestHomeDirectoryIsExpanded(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	m, err := NewManager(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := os.Stat(filepath.Join(home, ".rediver", "chunks.db")); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOwnerMayRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	m := open(t, Config{DatabasePath: filepath.Join(dir, "c.db")})
	submit(t, m, testReport("r", 1))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 {
		t.Fatalf("%v %v: want database, WAL, shared memory and lock", files, err)
	}
	for _, f := range files {
		if i, err := f.Info(); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), i.Mode(), err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if i, err := os.Stat(d); err != nil || i.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", d, i.Mode(), err)
		}
	}

	open2 := filepath.Join(t.TempDir(), "old.db") // made by another program, readable by all
	if err := os.WriteFile(open2, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, Config{DatabasePath: open2})
	if i, err := os.Stat(open2); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("i.Mode() = %v %v, want err == nil and i.Mode().Perm() == 0o600", i.Mode(), err)
	}
}

func TestSecondManagerOnOneFileIsRefused(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("r", 1))
	var held *LockedError
	if _, err := NewManager(&Config{DatabasePath: m.db.Path}); !errors.As(err, &held) || held.PID != os.Getpid() || !strings.Contains(err.Error(), m.db.Path) {
		t.Fatalf("error = %v, want errors.As(err, &held) and held.PID == os.Getpid() and strings.Contains(err.Error(), m.db.Path)", err)
	}
	if parts := drain(t, m); len(parts) != 1 {
		t.Errorf("the first one has %d parts", len(parts))
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Config{DatabasePath: m.db.Path}) // free again
}

func TestNewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("r", 1))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, m.db.Path, "PRAGMA user_version = 99")
	for range 2 { // the second time shows that the lock is free
		var newer *SchemaError
		_, err := NewManager(&Config{DatabasePath: m.db.Path})
		if !errors.As(err, &newer) || newer.Have != 99 || newer.Max != len(schema.Migrations) || !strings.Contains(err.Error(), "99") {
			t.Fatalf("error = %v, want errors.As(err, &newer) and newer.Have == 99 and newer.Max == len(schema.Migrations) and strings.Contains(err.Error(), \"99\")", err)
		}
	}
	alter(t, m.db.Path, fmt.Sprint("PRAGMA user_version = ", len(schema.Migrations)))
	m = open(t, Config{DatabasePath: m.db.Path})
	if parts := drain(t, m); len(parts) != 1 {
		t.Errorf("%d parts: the refused file was changed", len(parts))
	}
}

// A row that this package would never write, e.g. from a bad disk, is known as damaged and delays no other.
func TestInvalidRowIsAnError(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("bad", 4))
	submit(t, m, testReport("good", 4))
	alter(t, m.db.Path, "UPDATE reports SET content = x'00' WHERE id = 'bad'")
	s := m.Storage()
	if _, err := s.Parts(t.Context(), "bad"); err == nil {
		t.Error("Parts says nothing")
	}
	got := 0
	for range 10 {
		p := next(t, m)
		if p == nil {
			break
		}
		if _, err := p.Report(); err != nil {
			settle(t, m, p, part.Outcome{Kind: part.Dead, Err: err})
			continue
		}
		settle(t, m, p, uploaded)
		got++
	}
	if got != 2 {
		t.Errorf("%d of 2 good parts uploaded", got)
	}
	submit(t, m, testReport("bad", 4)) // other content than the stored one, as far as is visible
	if n, err := s.Drop(t.Context(), "bad"); n != 2 || err != nil {
		t.Error(n, err)
	}
}

func TestClosedStoreReturnsErrClosed(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 4))
	leased := next(t, m)
	w := testkit.Must(m.NewWriter(t.Context(), testReport("w", 0), part.Envelope{}))
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closers.Wait()
	if err := m.Close(); err != nil {
		t.Errorf("another Close: %v", err)
	}
	ctx, s := context.Background(), m.Storage()
	key := leased.Key
	for name, call := range map[string]func() error{
		"SubmitReport":       func() error { _, err := m.SubmitReport(ctx, testReport("x", 1)); return err },
		"Put":                func() error { _, err := m.Put(ctx, testReport("x", 1), part.Envelope{}); return err },
		"NewWriter":          func() error { _, err := m.NewWriter(ctx, testReport("x", 1), part.Envelope{}); return err },
		"Writer.Close":       func() error { _, err := w.Close(); return err },
		"Next":               func() error { _, _, err := m.Next(ctx); return err },
		"Settle":             func() error { _, err := m.Settle(ctx, leased, uploaded); return err },
		"Stats":              func() error { _, err := m.Stats(ctx); return err },
		"Tenants":            func() error { _, err := m.Tenants(ctx); return err },
		"Reports":            func() error { _, err := s.Reports(ctx, 0); return err },
		"Report":             func() error { _, err := s.Report(ctx, "r"); return err },
		"Parts":              func() error { _, err := s.Parts(ctx, "r"); return err },
		"DeleteChunkData":    func() error { return s.DeleteChunkData(ctx, key) },
		"DeleteReportChunks": func() error { _, err := s.DeleteReportChunks(ctx, "r"); return err },
		"CleanupToSize":      func() error { _, err := s.CleanupToSize(ctx, 1); return err },
		"RetryDead":          func() error { _, err := s.RetryDead(ctx, "r"); return err },
		"Drop":               func() error { _, err := s.Drop(ctx, "r"); return err },
	} {
		if err := call(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.Counts() // may be asked of a closed store

	m = open(t, Config{DatabasePath: m.db.Path, MaxConcurrentUploads: 9})
	if parts := drain(t, m); len(parts) != 2 {
		t.Errorf("%d of 2 parts, the one leased when the store was closed among them", len(parts))
	}
}

func TestCloseWaitsForChangesUnderWay(t *testing.T) {
	for range 20 {
		m := open(t, Config{})
		var submitters sync.WaitGroup
		var mu sync.Mutex
		accepted := 0
		for g := range 8 {
			submitters.Go(func() {
				for i := range 20 {
					_, err := m.SubmitReport(context.Background(), testReport("r"+string(rune('a'+g))+string(rune('a'+i)), 1))
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					accepted++
					mu.Unlock()
				}
			})
		}
		time.Sleep(3 * time.Millisecond)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		submitters.Wait()
		m = open(t, Config{DatabasePath: m.db.Path})
		if c := m.Counts(); c.Recovered != int64(accepted) {
			t.Fatalf("%d accepted, %d recovered", accepted, c.Recovered)
		}
	}
}

// Opening a connection that reads must not begin a write transaction, which would wait for the one that commits.
func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	m := open(t, split)
	busy, hold := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- m.change(t.Context(), 0, func(*tx) error { close(busy); <-hold; return nil }) }()
	<-busy
	var conns []io.Closer
	for range 4 { // each a new one
		c, err := m.db.Read.Conn(t.Context())
		if err != nil {
			t.Fatalf("open a reader during a transaction: %v", err)
		}
		conns = append(conns, c)
	}
	close(hold)
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
