package chunk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// victimStore is a store as a kill leaves it, with the expected content.
type victimStore struct {
	files   map[string][]byte   // by suffix
	unsent  map[string]bool     // reports accepted and not finished, or with dead letters
	done    map[string]bool     // finished
	content map[string][32]byte // hash of each part to be uploaded, by key
}

// damageConfig is the configuration of a victim.
var damageConfig = Config{
	MinFindingsForChunking: 4, MaxFindingsPerChunk: 4, AutoCleanupOnUpload: true, CleanupOnReportComplete: true,
	MaxConcurrentUploads: 1000, UploadDelayMs: -1, CleanupIntervalMinutes: -1,
}

// makeVictim fills a store with reports in every state. checkpoint folds the log in after that many of them.
func makeVictim(t *testing.T, checkpoint int) *victimStore {
	t.Helper()
	m := open(t, damageConfig)
	v := &victimStore{files: map[string][]byte{}, unsent: map[string]bool{}, done: map[string]bool{}, content: map[string][32]byte{}}
	for i := range 60 {
		id := fmt.Sprintf("report-%d", i)
		r := testReport(id, 1+i%11)
		r.Findings[0].Description = noise(i, 200+i%7*1500)
		submit(t, m, r, part.Envelope{TenantID: []string{"", "acme"}[i%2], Priority: i % 3})
		v.unsent[id] = true
		if i+1 == checkpoint {
			if err := m.db.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p := next(t, m); p != nil; p = next(t, m) { // three quarters stay
		var n int
		fmt.Sscanf(p.ReportID, "report-%d", &n)
		switch {
		case n%8 == 0:
			settle(t, m, p, uploaded)
			delete(v.unsent, p.ReportID)
			v.done[p.ReportID] = true
		case n%8 == 1 && p.Index == 0:
			settle(t, m, p, part.Outcome{Kind: part.Dead, Err: errors.New("refused")})
		default:
			v.content[p.Key] = p.SHA256
		}
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		v.files[suffix] = testkit.Must(os.ReadFile(m.db.Path + suffix))
	}
	return v
}

// restore writes the files, damaged, as a store of their own.
func (v *victimStore) restore(t *testing.T, damage func(files map[string][]byte)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "chunks.db")
	files := map[string][]byte{}
	for suffix, b := range v.files {
		files[suffix] = slices.Clone(b)
	}
	damage(files)
	for suffix, b := range files {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// salvagedEvent returns the details of the event of a replaced store, or nil if it was not replaced.
func salvagedEvent(t *testing.T, rec *testkit.Recorder) map[string]any {
	t.Helper()
	for _, e := range rec.Events(event.AgentError) {
		if e.Severity == event.Critical {
			d := e.Details
			if d["reports_found"].(int64) != d["reports_salvaged"].(int64)+d["reports_lost"].(int64) {
				t.Errorf("numbers do not add up: %v", d)
			}
			return d
		}
	}
	return nil
}

// judge opens a damaged store and fails unless each accepted report is there or reported as lost, and the data that is there
// is the accepted data.
func (v *victimStore) judge(t *testing.T, path string) (missing int) {
	t.Helper()
	rec := &testkit.Recorder{}
	cfg := damageConfig
	cfg.DatabasePath, cfg.Sink, cfg.UploadDelayMs = path, rec, -1
	m, err := NewManager(&cfg)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	defer m.Close()
	there := map[string]bool{}
	for _, tenant := range testkit.Must(m.Tenants(t.Context())) {
		for _, r := range testkit.Must(m.Tenant(tenant).Reports(t.Context(), 0)) {
			there[r.ReportID] = true
		}
	}
	for id := range v.unsent {
		if !there[id] {
			missing++
		}
	}
	d := salvagedEvent(t, rec)
	torn := len(rec.Events(event.AgentError)) > 0 && d == nil
	if d != nil {
		checkStore(t, m)
		if lost := d["reports_lost"].(int64); int64(missing) > lost && d["incomplete"] == false {
			t.Errorf("%d reports are missing, %d reported as lost: %v", missing, lost, d)
		}
	} else if missing > 0 && !torn && len(there) < len(v.unsent)+len(v.done) {
		t.Errorf("%d reports are missing without an event", missing)
	}
	for p := next(t, m); p != nil; p = next(t, m) {
		if sum := sha256.Sum256(p.Data); sum != p.SHA256 {
			if d != nil {
				t.Errorf("part %s was salvaged with wrong data", p.Key)
			}
			continue // the pipeline makes it a dead letter
		}
		if want, ok := v.content[p.Key]; ok && want != p.SHA256 {
			t.Errorf("part %s has other data than was accepted", p.Key)
		}
	}
	return missing
}

func TestDamageAnywhereIsSurvivedAndCounted(t *testing.T) {
	log, folded := makeVictim(t, 0), makeVictim(t, 55)
	rounds := uint64(40)
	if testing.Short() {
		rounds = 5
	}
	for name, one := range map[string]struct {
		v      *victimStore
		suffix string
		damage func(r *rand.Rand, b []byte) []byte
	}{
		"bits of the log":           {log, "-wal", flip},
		"bits of the database":      {folded, "", flip},
		"bits of a log over a base": {folded, "-wal", flip},
		"a page of the database":    {folded, "", smash},
		"a sector of the log":       {log, "-wal", smash},
		"the end of the log":        {log, "-wal", cut},
		"the end of the database":   {folded, "", cut},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			total := 0
			begun, seed := time.Now(), uint64(0)
			for ; seed < rounds && (seed < 5 || time.Since(begun) < 12*time.Second); seed++ { // fewer on a busy machine
				r := rand.New(rand.NewPCG(seed, 7))
				path := one.v.restore(t, func(f map[string][]byte) { f[one.suffix] = one.damage(r, f[one.suffix]) })
				total += one.v.judge(t, path)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Logf("%d reports missing in %d rounds of %d", total, seed, len(one.v.unsent))
		})
	}
}

func flip(r *rand.Rand, b []byte) []byte {
	for range 1 + r.IntN(3) {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	return b
}

func smash(r *rand.Rand, b []byte) []byte {
	at := r.IntN(len(b)/512) * 512
	for i := range b[at:min(at+512<<r.IntN(4), len(b))] {
		b[at+i] = byte(r.Uint32())
	}
	return b
}

func cut(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }
