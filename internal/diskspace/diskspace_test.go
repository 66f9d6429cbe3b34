package diskspace

import (
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir := t.TempDir()
	if free, total, err := Of(dir); err != nil || free <= 0 || total < free {
		t.Errorf("Of(%s) = %d, %d, %v; want 0 < free <= total and no error", dir, free, total, err)
	}
	if _, _, err := Of(filepath.Join(dir, "missing")); err == nil {
		t.Error("Of(a missing directory) = nil error, want one")
	}
}
