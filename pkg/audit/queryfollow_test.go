package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// patience ends a test that would never end; it suits a machine under any load.
const patience = 2 * time.Minute

// follow collects the numbers that a following query gives until it has seen last, or the context ends.
func follow(ctx context.Context, path string, f auditlog.Filter, last uint64) (got []uint64, err error) {
	f.Follow = true
	for l, err := range auditlog.Query(ctx, path, f) {
		if err != nil {
			return got, err
		}
		if got = append(got, l.Seq); l.Seq == last {
			break
		}
	}
	return got, nil
}

// While a log is written, rotated and compressed, those who follow it get every line once and in order, and those who
// read it from its end miss none that was there when they began.
func TestQueryWhileTheLogIsWritten(t *testing.T) {
	path := logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.Compress = true })
	l.io.file.max = 20_000
	l.Start()
	const n = 1500
	type result struct {
		got []uint64
		err error
	}
	followed := make(chan result, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, after := range []uint64{0, 700} {
		go func() {
			got, err := follow(ctx, path, auditlog.Filter{After: after}, n)
			followed <- result{got, err}
		}()
	}
	for i := range n {
		if err := l.Log(info(i)); err != nil {
			t.Fatal(err)
		}
		if i%500 != 499 {
			continue
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, newest := range []bool{false, true} {
			got := seqs(found(t, path, auditlog.Filter{Newest: newest}))
			slices.Sort(got)
			if len(got) < i+1 || !slices.Equal(got, oneTo(uint64(len(got)))) {
				t.Fatalf("newest %v: %d of %d lines", newest, len(got), i+1)
			}
		}
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r := <-followed
		if first := r.got[0]; r.err != nil || !slices.Equal(r.got, oneTo(n)[first-1:]) || first != 1 && first != 701 {
			t.Errorf("followed %d lines: %v", len(r.got), r.err)
		}
	}
}

// A log whose oldest files are deleted while it is read is no error.
func TestQueryWhileFilesAreDeleted(t *testing.T) {
	path := logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.MaxBackups = 2; c.Compress = true })
	l.io.file.max = 10_000
	l.Start()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range 1500 {
			_ = l.Log(info(i)) // Stop says what is lost
		}
	}()
	for {
		for _, newest := range []bool{false, true} {
			got := seqs(found(t, path, auditlog.Filter{Newest: newest, Types: []EventType{EventJobStarted}}))
			if newest {
				slices.Reverse(got)
			}
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("newest %v: not in order", newest)
			}
		}
		select {
		case <-written:
			stop(t, l)
			return
		default:
		}
	}
}

// Who follows a log may be there first, and is told nothing new when nothing is new.
func TestQueryFollowsALogThatBeginsLater(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := make(chan uint64)
	ended := make(chan error, 1)
	go func() {
		for l, err := range auditlog.Query(ctx, path, auditlog.Filter{Follow: true, Limit: 3}) {
			if err != nil {
				ended <- err
				return
			}
			first <- l.Seq
		}
	}()
	for want := uint64(1); want <= 2; want++ {
		if err := l.Log(info(1)); err != nil {
			t.Fatal(err)
		}
		if got := <-first; got != want {
			t.Errorf("line %d, want %d", got, want)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// Who follows a log goes on when somebody removes, replaces or cuts its file, as the writer does.
func TestQueryFollowsOverRemoveAndTruncate(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"remove":   os.Remove,
		"truncate": func(path string) error { return os.Truncate(path, 0) },
		"cut":      func(path string) error { return os.Truncate(path, 1500) },
	} {
		for _, synced := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " synced ", synced), func(t *testing.T) {
				path := logPath(t)
				l := open(t, path, nil)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				seen := make(chan string, 100)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for l, err := range auditlog.Query(ctx, path, auditlog.Filter{Follow: true, Types: []EventType{EventJobStarted}}) {
						if err == nil {
							seen <- l.Event.JobID
						}
					}
				}()
				log := func(from, to int) {
					for i := from; i <= to; i++ {
						if err := l.Log(info(i)); err != nil {
							t.Fatal(err)
						}
					}
					if synced {
						if err := l.Flush(); err != nil {
							t.Fatal(err)
						}
					}
				}
				want := func(from, to int) {
					t.Helper()
					for i := from; i <= to; i++ {
						select {
						case id := <-seen:
							if id != fmt.Sprintf("job-%d", i) {
								t.Fatalf("%s, want job-%d", id, i)
							}
						case <-ctx.Done():
							t.Fatalf("job-%d did not come", i)
						}
					}
				}
				log(1, 10)
				want(1, 10)
				if err := harm(path); err != nil {
					t.Fatal(err)
				}
				log(11, 14)
				want(11, 14)
				cancel()
				<-ended
			})
		}
	}
}

// A file that gets another name while the directory is read is in the list under one of them.
func TestNoFileIsMissedWhileItIsCompressed(t *testing.T) {
	path := logPath(t)
	files := writeLog(t, path, 400, nil)
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		for _, name := range files[:len(files)-1] {
			s := logfile.Segment{Path: filepath.Join(filepath.Dir(path), name)}
			if err := compress(&s, make(chan struct{})); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		segs, err := logfile.Segments(path)
		if err != nil || len(segs) != len(files) {
			t.Errorf("%d of %d files: %v", len(segs), len(files), err)
			return
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
