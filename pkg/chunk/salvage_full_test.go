//go:build linux && !race

package chunk

import (
	"testing"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/internal/testkit"
	sqlite3 "modernc.org/sqlite/lib"
)

// The disk is full at the n-th write of a start that salvages. The start succeeds, or fails and the next one succeeds. Reports that
// did not fit are counted, and still in the damaged files.
func TestDiskFullDuringTheSalvage(t *testing.T) {
	installFaults(t)
	v := makeVictim(t, 60)
	short, refused, tried := 0, 0, 0
	for n := 1; ; n += 1 + n/6 {
		path := v.restore(t, func(f map[string][]byte) {
			for page := 5; page < len(f[""])/sqlitedb.PageSize; page += 11 {
				f[""][page*sqlitedb.PageSize] ^= 0xff
			}
		})
		rec := &testkit.Recorder{}
		cfg := damageConfig
		cfg.DatabasePath, cfg.Sink = path, rec
		mend := breakDisk(t, false, n, sqlite3.SQLITE_FULL)
		m, err := NewManager(&cfg)
		reached := mend()
		if err != nil {
			refused++
			if m, err = NewManager(&cfg); err != nil {
				t.Fatalf("write %d: there is space again, and the start fails: %v", n, err)
			}
		}
		checkStore(t, m)
		d := salvagedEvent(t, rec)
		if d == nil {
			t.Fatalf("write %d: no event", n)
		}
		there := int64(0)
		for _, tenant := range testkit.Must(m.Tenants(t.Context())) {
			there += int64(len(testkit.Must(m.Tenant(tenant).Reports(t.Context(), 0, StatePending, StateFailed))))
		}
		if there != d["reports_salvaged"].(int64) {
			t.Errorf("write %d: %d reports are there: %v", n, there, d)
		}
		if d["no_space"] == true {
			short++
			if d["incomplete"] != true {
				t.Errorf("write %d: %v", n, d)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if tried++; !reached {
			break
		}
	}
	if tried < 8 || short == 0 {
		t.Errorf("%d starts, %d of which had too little space: the test shows nothing", tried, short)
	}
	t.Logf("%d starts, %d refused at first, %d short of space", tried, refused, short)
}
