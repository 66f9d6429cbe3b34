package chunk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/event"
)

func TestDamagedFileIsSetAside(t *testing.T) {
	valid := func(t *testing.T) []byte {
		m := open(t, Config{})
		for i := range 20 {
			submit(t, m, testReport("r"+string(rune('a'+i)), 50))
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return must(os.ReadFile(m.db.path))
	}
	for name, damage := range map[string]func([]byte) []byte{
		"no database at all": func([]byte) []byte { return []byte(strings.Repeat("this is no database. ", 1000)) },
		"cut in half":        func(b []byte) []byte { return b[:len(b)/2] },
		"pages overwritten": func(b []byte) []byte {
			for i := pageSize; i < len(b)-2*pageSize; i += 3 * pageSize {
				copy(b[i:], strings.Repeat("\xff\x00", pageSize/2))
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "chunks.db")
			data := damage(valid(t))
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			rec := &recorder{}
			m := open(t, Config{DatabasePath: path, Sink: rec})
			submit(t, m, testReport("new", 1))
			e := rec.of(event.AgentError)
			if len(e) != 1 || e[0].Severity != event.Critical || e[0].Error == "" {
				t.Fatalf("%+v", e)
			}
			if parts := drain(t, m); int64(len(parts)) != 1+e[0].Details["reports_salvaged"].(int64) {
				t.Errorf("%d parts in the new store: %+v", len(parts), e[0].Details)
			}
			aside, _ := e[0].Details["moved_to"].(string)
			if got, err := os.ReadFile(aside); err != nil || len(got) != len(data) {
				t.Errorf("%d of %d bytes are set aside at %q: %v", len(got), len(data), aside, err)
			}
		})
	}
}
