package chunk

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/chunk/internal/salvage"
	"github.com/rediverio/sdk/pkg/chunk/internal/walimage"
)

const salvageVictimEnv = "CHUNK_TEST_SALVAGE_DB"

// TestSalvageVictim is the process that is killed in the middle of a salvage.
func TestSalvageVictim(t *testing.T) {
	path := os.Getenv(salvageVictimEnv)
	if path == "" {
		return
	}
	cfg := damageConfig
	cfg.DatabasePath = path
	m, err := NewManager(&cfg)
	if err == nil {
		err = m.Close()
	}
	tell("%v", err)
}

// bigDamage is a store whose first page of reports is gone, so large that its salvage takes a while.
func bigDamage(t *testing.T) (*victimStore, string) {
	t.Helper()
	v := makeVictim(t, 60)
	return v, v.restore(t, func(f map[string][]byte) {
		for page := 2; page < len(f["-wal"])/(sqlitedb.PageSize+walimage.FrameHeaderSize)-20; page += 9 {
			f["-wal"][walimage.HeaderSize+page*(sqlitedb.PageSize+walimage.FrameHeaderSize)+walimage.FrameHeaderSize+9] ^= 1
		}
	})
}

func TestKilledDuringTheSalvage(t *testing.T) {
	v, path := bigDamage(t)
	deaths := 0
	for round := range 12 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSalvageVictim$")
		cmd.Env = append(os.Environ(), salvageVictimEnv+"="+path)
		before, _ := os.Stat(path + salvage.SalvagingSuffix) // left by the process that died
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := make(chan struct{})
		go func() { // killed a little after the new file appears, later in each round
			defer close(seen)
			for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond / 4) {
				if now, err := os.Stat(path + salvage.SalvagingSuffix); err == nil && !os.SameFile(before, now) {
					break
				}
				if files, _ := filepath.Glob(path + salvage.CorruptSuffix + "*"); len(files) > 0 {
					break
				}
			}
			time.Sleep(time.Duration(round) * 2 * time.Millisecond)
			_ = cmd.Process.Kill()
		}()
		err := cmd.Wait()
		<-seen
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			deaths++
		}
		if files, _ := filepath.Glob(path + salvage.CorruptSuffix + "*[0-9]"); len(files) > 0 {
			break // it came to its end, or a kill did not keep it from that
		}
	}
	if deaths == 0 {
		t.Fatal("no process was killed: the test shows nothing")
	}
	t.Logf("%d deaths", deaths)
	m, err := NewManager(&Config{DatabasePath: path})
	if err != nil {
		t.Fatal(err)
	}
	if c := m.Counts(); c.Recovered < 20 {
		t.Errorf("%d reports", c.Recovered)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	v.judge(t, path) // has no event of its own: the salvage recorded it, or died before
}

// A process may die between any two steps of the replacement; the next one continues, or begins anew.
func TestInterruptedReplacementIsFinished(t *testing.T) {
	stamp := "20260304T050607.000000"
	for name, state := range map[string]func(t *testing.T, path string){
		"half a new store": func(t *testing.T, path string) {
			b := testkit.Must(os.ReadFile(path))
			for _, s := range []string{salvage.SalvagingSuffix, salvage.SalvagingSuffix + "-journal"} {
				if err := os.WriteFile(path+s, b[:len(b)/3], 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
		"complete":       func(t *testing.T, path string) { complete(t, path, stamp) },
		"database aside": func(t *testing.T, path string) { complete(t, path, stamp, "") },
		"all aside":      func(t *testing.T, path string) { complete(t, path, stamp, "", "-wal", "-shm") },
	} {
		t.Run(name, func(t *testing.T) {
			v, path := bigDamage(t)
			state(t, path)
			_, unfinished := os.Stat(path + salvage.SalvagedSuffix + stamp)
			rec := &testkit.Recorder{}
			m := open(t, Config{DatabasePath: path, Sink: rec})
			d := salvagedEvent(t, rec)
			if d == nil || d["reports_salvaged"].(int64) < 20 {
				t.Fatalf("event details = %v, want d != nil and d[\"reports_salvaged\"].(int64) >= 20", d)
			}
			if c := m.Counts(); c.Recovered < 20 {
				t.Errorf("%d reports are back: %v", c.Recovered, d)
			}
			aside := d["moved_to"].(string)
			if unfinished == nil && aside != path+salvage.CorruptSuffix+stamp {
				t.Errorf("the salvage was done again: %s", aside)
			}
			for _, suffix := range []string{"", "-wal", ".json"} {
				if _, err := os.Stat(aside + suffix); err != nil {
					t.Error(err)
				}
			}
			if left, _ := filepath.Glob(path + ".salvag*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			v.judge(t, path)
		})
	}
}

// complete does what replace does up to the rename of some of the damaged files.
func complete(t *testing.T, path, stamp string, aside ...string) {
	t.Helper()
	f, err := walimage.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found, err := (&salvage.Store{Keys: &keyring{}}).Fill(path+salvage.SalvagingSuffix, f)
	if err != nil {
		t.Fatal(err)
	}
	found.Write(path + salvage.CorruptSuffix + stamp + ".json")
	if err := os.Rename(path+salvage.SalvagingSuffix, path+salvage.SalvagedSuffix+stamp); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range aside {
		if err := os.Rename(path+suffix, path+salvage.CorruptSuffix+stamp+suffix); err != nil {
			t.Fatal(err)
		}
	}
}
