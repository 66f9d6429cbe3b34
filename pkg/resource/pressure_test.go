package resource

import (
	"math"
	"testing"
	"time"
)

func TestPressure(t *testing.T) {
	dir, g := fixture(t, "v2-parent")
	now := time.Now()
	if g.pressure.read(&g.reader, now) != nil {
		t.Error("pressure is known after one sample")
	}
	// The own group's files go first; it has none for io.
	write(t, dir, "sys/fs/cgroup/system.slice/agent.service/memory.pressure", "some avg10=9.00 total=1002000\nfull total=5\n")
	write(t, dir, "proc/pressure/memory", "some avg10=9.00 total=4001000\n")
	write(t, dir, "proc/pressure/io", "some avg10=0.00 total=2001000\n")
	got := g.pressure.read(&g.reader, now.Add(4*time.Second))
	if got == nil || *got != (Pressure{CPU: 0, Memory: 25, IO: 50}) {
		t.Errorf("pressure %+v", got)
	}
	none := newPressureMeter(t.TempDir(), nil)
	for range 3 {
		now = now.Add(time.Second)
		if none.read(&reader{}, now) != nil {
			t.Error("pressure of a kernel that does not tell")
		}
	}
}

func FuzzPressure(f *testing.F) {
	f.Add([]byte("some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 total=5\n"))
	f.Add([]byte("some total=99999999999999999999999\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if total, ok := parsePressure(text); !ok && total != 0 && total != math.MaxUint64 {
			t.Errorf("total %d of nothing", total)
		}
	})
}
