package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/part"
)

// put stores a part without a network.
func put(t testing.TB, s *Store, tenant string, p *part.Part) (*wire.Answer, error) {
	t.Helper()
	doc, err := readBytes(p.Encoding, p.Data)
	if err != nil {
		t.Fatal(err)
	}
	return s.Tenant(tenant).put(&incoming{key: p.Key, sha: p.SHA256, size: int64(len(p.Data)), reportID: p.ReportID,
		idx: p.Index, total: p.Total, chunk: p.Total > 1, submitted: max(p.SubmittedAt.UnixMilli(), 0), doc: doc})
}

func mustPut(t testing.TB, s *Store, tenant string, p *part.Part) *wire.Answer {
	t.Helper()
	a, err := put(t, s, tenant, p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func count(t testing.TB, s *Store, table string) (n int) {
	t.Helper()
	if err := s.db.Read.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStoreSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name #1 50%?", "ingest.db")
	if runtime.GOOS == "windows" {
		path = filepath.Join(t.TempDir(), "ingest.db")
	}
	s, err := OpenStore(StoreConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	parts := split(t, sample("r1", 30), 10)
	for _, p := range parts[:2] {
		mustPut(t, s, "a", p)
	}
	s.Tenant("a").reject()
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, s, "a", parts[2]); !errors.Is(err, ErrStoreClosed) {
		t.Errorf("put after Close: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the file is not where it was asked for: %v", err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("the WAL is left behind")
	}
	s, err = OpenStore(StoreConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if a := mustPut(t, s, "a", parts[2]); !a.Complete || a.FindingsCreated != 30 {
		t.Errorf("answer %+v", a)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Rejected != 1 || st.Findings != 30 {
		t.Errorf("stats %+v, %v", st, err)
	}

	ro, err := OpenStore(StoreConfig{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if n := len(findings(t, ro.Tenant("a"), ingest.Query{})); n != 30 {
		t.Errorf("%d findings read-only", n)
	}
	if _, err := put(t, ro, "a", parts[0]); !errors.Is(err, ErrReadOnly) {
		t.Errorf("put read-only: %v", err)
	}
}

func TestStoreModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	s := newStore(t)
	mustPut(t, s, "a", split(t, sample("r", 3), 10)[0])
	for path, want := range map[string]os.FileMode{s.cfg.Path: 0o600, s.cfg.Path + "-wal": 0o600, s.cfg.Path + "-shm": 0o600, filepath.Dir(s.cfg.Path): 0o700} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", filepath.Base(path), info.Mode().Perm(), err, want)
		}
	}
}

func TestNewerAndForeignStoresAreRefused(t *testing.T) {
	s := newStore(t)
	if err := s.Tenant("").write(0, func(tx *tx) error { return tx.exec("PRAGMA user_version = 99") }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := OpenStore(StoreConfig{Path: s.cfg.Path})
	if v := new(SchemaError); !errors.As(err, &v) || v.Have != 99 || v.Max != len(migrations) || !strings.Contains(err.Error(), "99") {
		t.Errorf("newer: %v", err)
	}
	foreign := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(foreign, []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(StoreConfig{Path: foreign}); err == nil {
		t.Error("a text file was opened")
	}
	if _, err := OpenStore(StoreConfig{Path: filepath.Join(t.TempDir(), "none.db"), ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read-only without a file: %v", err)
	}
}

func TestAbandonedReportIsSweptAndMayComeAgain(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	s.now = func() time.Time { return now }
	parts := split(t, sample("r1", 30), 10)
	mustPut(t, s, "a", parts[0])
	mustPut(t, s, "a", parts[1])
	now = now.Add(DefaultIncompleteAge - time.Minute)
	mustPut(t, s, "b", split(t, sample("other", 5), 10)[0])
	if n := count(t, s, "report"); n != 2 {
		t.Fatalf("%d reports before the age, want 2", n)
	}
	now = now.Add(2 * time.Minute)
	mustPut(t, s, "b", split(t, sample("other2", 5), 10)[0])
	if r, p, c, i := count(t, s, "report"), count(t, s, "part"), count(t, s, "content"), count(t, s, "staged_item"); r != 2 || p != 2 || c != 5 || i != 0 {
		t.Fatalf("left: %d reports, %d parts, %d contents, %d staged items", r, p, c, i)
	}
	for _, p := range parts {
		if a := mustPut(t, s, "a", p); a.Duplicate {
			t.Errorf("part %d is a duplicate of what was swept", p.Index)
		}
	}
	if n := len(findings(t, s.Tenant("a"), ingest.Query{})); n != 30 {
		t.Errorf("%d findings, want 30", n)
	}
	if n := sweep(t, s, 0); n != 0 {
		t.Errorf("sweep(0) deleted %d complete reports", n)
	}
}

// Two reports with the same findings interleave: each finding is stored once, with one content.
func TestInterleavedReportsLeaveNoOrphans(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", split(t, sample("r0", 10), 100)[0])
	r1, r2 := sample("r1", 40), sample("r2", 40)
	for i := range 20 {
		r1.Findings[i].Message, r2.Findings[i].Message = "one", "two"
	}
	r2.Findings = append(r2.Findings, r2.Findings[5]) // the splitter takes it for another finding
	one, two := split(t, r1, 10), split(t, r2, 10)
	created, updated := 0, 0
	for i := range two {
		for _, ps := range [][]*part.Part{one, two} {
			if i < len(ps) {
				a := mustPut(t, s, "a", ps[i])
				created, updated = created+a.FindingsCreated, updated+a.FindingsUpdated
			}
		}
	}
	all := findings(t, s.Tenant("a"), ingest.Query{})
	if len(all) != 41 || created != 31 || updated != 50 {
		t.Fatalf("%d findings, %d created, %d updated", len(all), created, updated)
	}
	if n := count(t, s, "content"); n != 41 {
		t.Errorf("%d contents for 41 findings", n)
	}
	for _, f := range all {
		if strings.Contains(string(f.Raw), `"one"`) {
			t.Errorf("finding %s has the content of the older report", f.Path)
		}
	}
}

// Chunks without a key, from clients that do not send one: nothing is lost, whatever is resent or scanned again with the same
// report ID.
func TestUnkeyedChunks(t *testing.T) {
	s := newStore(t)
	send := func(p *part.Part) *wire.Answer {
		q := *p
		q.Key = ""
		return mustPut(t, s, "a", &q)
	}
	visible := func() int { return len(findings(t, s.Tenant("a"), ingest.Query{})) }
	changed := sample("r1", 30)
	changed.Findings[0].RuleID = "another"
	one, two := split(t, sample("r1", 30), 10), split(t, changed, 10)
	send(one[0])
	if a := send(one[0]); !a.Duplicate {
		t.Error("a resent chunk is no duplicate")
	}
	send(one[2])
	if n := visible(); n != 0 {
		t.Errorf("%d findings visible of an incomplete report", n)
	}
	send(two[0]) // the scan began again: its first chunk replaces the other
	if a := send(two[1]); !a.Complete || a.FindingsCreated != 30 {
		t.Errorf("first: %+v", a)
	}
	if n := visible(); n != 30 {
		t.Errorf("%d findings", n)
	}
	if st, _ := s.Tenant("a").Stats(t.Context()); st.Parts != 3 {
		t.Errorf("stats %+v", st)
	}
	// Again with the same ID: an equal chunk is a duplicate, a different one is visible at once.
	if a := send(one[0]); a.Duplicate || !a.Complete || a.FindingsCreated != 1 || a.FindingsUpdated != 9 {
		t.Errorf("changed chunk: %+v", a)
	}
	if a := send(one[2]); !a.Duplicate {
		t.Errorf("same chunk: %+v", a)
	}
	if n, c := visible(), count(t, s, "content"); n != 31 || c != 31 {
		t.Errorf("%d findings, %d contents", n, c)
	}
}

func TestConcurrentWritersShareCommits(t *testing.T) {
	s := newStore(t)
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				p := split(t, sample(fmt.Sprintf("r-%d-%d", w, i), 3), 10)[0]
				mustPut(t, s, fmt.Sprintf("tenant%d", w%4), p)
				if a := mustPut(t, s, fmt.Sprintf("tenant%d", w%4), p); !a.Duplicate {
					t.Error("resent part is no duplicate")
				}
			}
		})
	}
	wg.Wait()
	st, err := s.Stats(t.Context())
	if err != nil || st.Reports != writers*each || st.Repeated != writers*each || st.Findings != 4*3 || len(st.Tenants) != 4 {
		t.Errorf("stats %+v, %v", st, err)
	}
}

func TestStoreErrorIsTransient(t *testing.T) {
	store, url := newServer(t, nil)
	if err := store.Tenant("").write(0, func(tx *tx) error { return tx.exec("DROP TABLE content") }); err != nil {
		t.Fatal(err)
	}
	_, err := newClient(t, url, tokenA).Upload(t.Context(), split(t, sample("r", 3), 10)[0])
	if e := new(ingest.Error); !errors.As(err, &e) || e.Status != 503 || e.Permanent() || !e.Unavailable() {
		t.Errorf("%v", err)
	}
}
