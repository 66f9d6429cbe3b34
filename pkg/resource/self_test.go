package resource

import (
	"os"
	"runtime"
	"testing"
)

func TestSampleOfThisProcess(t *testing.T) {
	s := newSystemSampler()
	before, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const more = 32 << 20
	ballast := make([]byte, more)
	files := before.OpenFiles + 20 // that many more, for other tests may close theirs meanwhile
	for range files {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	after, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.HeapBytes < more {
		t.Errorf("%d bytes of heap with %d in one object", after.HeapBytes, more)
	}
	runtime.KeepAlive(ballast)
	switch {
	case runtime.GOOS != "linux" && after.OpenFiles != 0:
		t.Errorf("OpenFiles = %d, want 0 (unknown on this system)", after.OpenFiles)
	case runtime.GOOS == "linux" && after.OpenFiles < files:
		t.Errorf("%d files open, then %d with %d more", before.OpenFiles, after.OpenFiles, files)
	}
}
