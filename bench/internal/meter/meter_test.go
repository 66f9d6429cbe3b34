package meter

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMedianAndQuantile(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := Median(c.in); got != c.want {
			t.Errorf("Median(%v) = %g, want %g", c.in, got, c.want)
		}
	}
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, 99-i)
	}
	if p50, p99 := Quantile(hundred, 0.5), Quantile(hundred, 0.99); p50 != 50 || p99 != 99 {
		t.Errorf("p50 %d, p99 %d", p50, p99)
	}
}

func TestDiskBytes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := DiskBytes(dir); err != nil || n < 64<<10 || n > 128<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
