package chunk

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/chunk/internal/salvage"
	"github.com/rediverio/sdk/pkg/chunk/internal/walimage"
	"github.com/rediverio/sdk/pkg/part"

	"github.com/rediverio/sdk/pkg/event"
)

// largeStore makes a closed store of about mb MiB whose reports have one part of about kb KiB each.
func largeStore(b *testing.B, mb, kb int) (path string) {
	b.Helper()
	m := open(b, Config{MaxStorageMB: -1})
	var reports []func()
	for i := range mb << 10 / kb {
		reports = append(reports, func() {
			r := testReport(fmt.Sprint("r", i), 1)
			r.Findings[0].Description = noise(i, kb<<10*4/3)
			submit(b, m, r, part.Envelope{})
		})
	}
	inParallel(64, reports)
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	return m.db.Path
}

func inParallel(n int, jobs []func()) {
	todo := make(chan func())
	done := make(chan struct{})
	for range n {
		go func() {
			for f := range todo {
				f()
			}
			done <- struct{}{}
		}()
	}
	for _, f := range jobs {
		todo <- f
	}
	close(todo)
	for range n {
		<-done
	}
}

const benchMB = 32

// BenchmarkStart measures the check at the start, and a salvage of everything.
func BenchmarkStart(b *testing.B) {
	for _, kb := range []int{1, 16, 256} {
		path := largeStore(b, benchMB, kb)
		st, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("parts of %d KiB/", kb)
		b.Run(name+"checked", func(b *testing.B) {
			b.SetBytes(st.Size())
			for b.Loop() {
				f, err := walimage.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := (&salvage.Store{Path: path, Sink: event.Nop}).Examine(f); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
		b.Run(name+"salvaged", func(b *testing.B) {
			b.SetBytes(st.Size())
			for b.Loop() {
				f, err := walimage.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				s, err := (&salvage.Store{Keys: &keyring{}}).Fill(filepath.Join(b.TempDir(), "new.db"), f)
				if err != nil || s.Lost > 0 || s.Salvaged == 0 {
					b.Fatal(s, err)
				}
				f.Close()
			}
		})
	}
}
