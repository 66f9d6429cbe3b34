package job_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/job"
)

// atOnce makes Next return without waiting.
var atOnce = job.Want{Max: 100}

func newDir(t testing.TB, path string) *job.Dir {
	t.Helper()
	d, err := job.NewDir(path)
	testkit.Check(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func write(t testing.TB, content string, path ...string) {
	t.Helper()
	testkit.Check(t, os.WriteFile(filepath.Join(path...), []byte(content), 0o600))
}

func exists(path ...string) bool {
	_, err := os.Lstat(filepath.Join(path...))
	return err == nil
}

const goodJob = `{"scanner": "fake", "target": "/src"}`

func TestDirDeliversFilesOldestFirst(t *testing.T) {
	dir := t.TempDir()
	d := newDir(t, dir)
	for i, name := range []string{"c", "a", "b"} {
		write(t, goodJob, dir, name+".json")
		when := time.Now().Add(time.Duration(i-10) * time.Minute)
		testkit.Check(t, os.Chtimes(filepath.Join(dir, name+".json"), when, when))
	}
	jobs, err := d.Next(t.Context(), job.Want{Max: 2})
	testkit.Check(t, err)
	rest, err := d.Next(t.Context(), atOnce)
	testkit.Check(t, err)
	var got []string
	for _, j := range append(jobs, rest...) {
		s := j.Spec()
		got = append(got, s.ID)
		if s.Kind != "scan" || s.Scanner != "fake" || s.Target != "/src" || s.Attempt != 1 {
			t.Errorf("Spec() = %+v", s)
		}
	}
	if len(jobs) != 2 || strings.Join(got, "") != "cab" {
		t.Errorf("Next = %d and %d jobs, %q; want 2 and 1, oldest first", len(jobs), len(rest), got)
	}
	if none, err := d.Next(t.Context(), job.Want{Max: 0, Wait: time.Hour}); err != nil || none != nil {
		t.Errorf("Next with Max 0 = %v, %v; want nothing", none, err)
	}
}

func TestDirRefusesInvalidFilesWithTheReason(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"empty":            {"", "EOF"},
		"half-written":     {`{"scanner": "fake", "tar`, "unexpected EOF"},
		"no JSON":          {"scanner: fake", "invalid character"},
		"a list":           {"[]", "cannot unmarshal"},
		"unknown key":      {`{"scaner": "fake", "target": "/src"}`, `unknown field "scaner"`},
		"wrong type":       {`{"scanner": 7, "target": "/src"}`, "cannot unmarshal"},
		"no target":        {`{"scanner": "fake"}`, "target"},
		"two values":       {goodJob + goodJob, "more than one"},
		"negative timeout": {`{"scanner": "fake", "target": "/src", "timeout": -5}`, "timeout"},
		"invalid timeout":  {`{"scanner": "fake", "target": "/src", "timeout": "5 minutes"}`, "for example 90s"},
		"too large":        {goodJob + strings.Repeat(" ", 1<<20), "1048576"},
		"too deep":         {strings.Repeat("[", 100_000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := newDir(t, dir)
			write(t, c.content, dir, "odd.json")
			write(t, goodJob, dir, "zz-good.json")
			jobs, err := d.Next(t.Context(), atOnce)
			if err == nil || !strings.Contains(err.Error(), "odd.json") {
				t.Errorf("error %v, want the file named", err)
			}
			if len(jobs) != 1 || jobs[0].Spec().ID != "zz-good" {
				t.Errorf("Next = jobs %v, want the valid one", jobs)
			}
			reason, err := os.ReadFile(filepath.Join(dir, "failed", "odd.reason"))
			if err != nil || !strings.Contains(string(reason), c.want) {
				t.Errorf("reason %q, %v", reason, err)
			}
			if !exists(dir, "failed", "odd.json") || exists(dir, "odd.json") || exists(dir, "active", "odd.json") {
				t.Error("invalid file was not moved to failed/")
			}
		})
	}
}

func TestDirIgnoresOtherFiles(t *testing.T) {
	dir := t.TempDir()
	d := newDir(t, dir)
	write(t, goodJob, dir, "job.json.part")
	write(t, goodJob, dir, "README")
	testkit.Check(t, os.Mkdir(filepath.Join(dir, "sub.json"), 0o700))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.json")); err != nil {
		t.Log(err) // Windows may not allow it
	}
	jobs, err := d.Next(t.Context(), atOnce)
	if err != nil || len(jobs) != 0 || !exists(dir, "job.json.part") {
		t.Errorf("Next = %v, %v", jobs, err)
	}
}

func TestDirDeliversTheJobsOfADeadProcessAgain(t *testing.T) {
	dir := t.TempDir()
	d, err := job.NewDir(dir)
	testkit.Check(t, err)
	write(t, goodJob, dir, "left.json")
	if jobs, err := d.Next(t.Context(), atOnce); err != nil || len(jobs) != 1 || !exists(dir, "active", "left.json") {
		t.Fatal(jobs, err)
	}
	write(t, goodJob, dir, "active", "replaced.json")
	write(t, `{"scanner": "fake", "target": "/new"}`, dir, "replaced.json")
	write(t, "{", dir, "active", "left.json.tmp")
	testkit.Check(t, d.Close()) // the process dies
	testkit.Check(t, d.Close())
	jobs, err := newDir(t, dir).Next(t.Context(), atOnce)
	if err != nil || len(jobs) != 2 || jobs[0].Spec().ID != "left" || jobs[1].Spec().Target != "/new" {
		t.Errorf("Next = %v, %v", jobs, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) != 0 || exists(dir, "active", "left.json.tmp") {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func TestDirIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	newDir(t, dir)
	_, err := job.NewDir(dir)
	var held *job.LockedError
	if !errors.As(err, &held) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want the file named", err)
	}
}

func TestDirEndsJobs(t *testing.T) {
	dir := t.TempDir()
	d := newDir(t, dir)
	take := func(name string) job.Job {
		t.Helper()
		write(t, goodJob, dir, name+".json")
		jobs, err := d.Next(t.Context(), atOnce)
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		return jobs[0]
	}
	done := take("done")
	testkit.Check(t, done.Extend(t.Context()))
	testkit.Check(t, done.Ack(t.Context()))
	testkit.Check(t, done.Ack(t.Context()))
	testkit.Check(t, done.Fail(t.Context(), "too late"))
	if exists(dir, "active", "done.json") || exists(dir, "failed", "done.json") {
		t.Error("file of an acknowledged job is still there")
	}
	testkit.Check(t, take("bad").Fail(t.Context(), "no such target"))
	if b, err := os.ReadFile(filepath.Join(dir, "failed", "bad.reason")); string(b) != "no such target\n" || !exists(dir, "failed", "bad.json") {
		t.Errorf("reason %q, %v", b, err)
	}
	testkit.Check(t, take("later").Nak(t.Context(), time.Hour))
	if jobs, err := d.Next(t.Context(), atOnce); len(jobs) != 0 || err != nil || !exists(dir, "later.json") {
		t.Errorf("Next = %v, %v before the delay is over, want nothing", jobs, err)
	}
}

func TestDirReadsDurationsAsStringsAndNanoseconds(t *testing.T) {
	dir := t.TempDir()
	d := newDir(t, dir)
	for _, timeout := range []string{`"5m"`, "300000000000"} {
		write(t, `{"scanner": "fake", "target": "/src", "timeout": `+timeout+`}`, dir, "j.json")
		jobs, err := d.Next(t.Context(), atOnce)
		if err != nil || len(jobs) != 1 || jobs[0].Spec().Timeout != 5*time.Minute {
			t.Fatalf("Next with timeout %s = %v, %v; want a job with 5m", timeout, jobs, err)
		}
		testkit.Check(t, jobs[0].Ack(t.Context()))
	}
}

// The number of attempts is in the file, so that it survives a restart.
func TestDirCountsAttempts(t *testing.T) {
	dir := t.TempDir()
	write(t, `{"scanner": "fake", "target": "/src", "attempt": -1000}`, dir, "j.json")
	for want := 1; want <= 3; want++ {
		d, err := job.NewDir(dir)
		testkit.Check(t, err)
		jobs, err := d.Next(t.Context(), atOnce)
		if err != nil || len(jobs) != 1 || jobs[0].Spec().Attempt != want {
			t.Fatalf("delivery %d: Next = %v, %v", want, jobs, err)
		}
		testkit.Check(t, jobs[0].Nak(t.Context(), 0))
		testkit.Check(t, d.Close())
	}
}

func TestFileWithTheNameOfARunningJobWaits(t *testing.T) {
	dir := t.TempDir()
	d := newDir(t, dir)
	write(t, goodJob, dir, "nightly.json")
	first, err := d.Next(t.Context(), atOnce)
	testkit.Check(t, err)
	write(t, `{"scanner": "fake", "target": "/new"}`, dir, "nightly.json")
	if jobs, err := d.Next(t.Context(), atOnce); len(jobs) != 0 || err != nil {
		t.Fatal(jobs, err)
	}
	testkit.Check(t, first[0].Nak(t.Context(), time.Hour))
	jobs, err := d.Next(t.Context(), atOnce)
	if err != nil || len(jobs) != 1 || jobs[0].Spec().Target != "/new" {
		t.Fatalf("Next = %v, %v", jobs, err)
	}
	testkit.Check(t, jobs[0].Ack(t.Context()))
	if exists(dir, "nightly.json") || exists(dir, "active", "nightly.json") {
		t.Error("file of an ended job is still there")
	}
}

func TestDirWaits(t *testing.T) {
	dir := t.TempDir()
	d := newDir(t, dir)
	if jobs, err := d.Next(t.Context(), job.Want{Max: 1, Wait: 10 * time.Millisecond}); len(jobs) != 0 || err != nil {
		t.Error(jobs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, err := d.Next(ctx, job.Want{Max: 1, Wait: time.Hour})
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzDirJobFile(f *testing.F) {
	f.Add([]byte(goodJob))
	f.Add([]byte(`{"scanner":"a","target":"b","attempt":9223372036854775807,"lease_ttl":1,"not_after":"2020-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"id":"../../etc","scanner":"a","target":"b"}`))
	dir := f.TempDir()
	d := newDir(f, dir)
	f.Fuzz(func(t *testing.T, content []byte) {
		write(t, string(content), dir, "j.json")
		jobs, err := d.Next(t.Context(), atOnce)
		if len(jobs)+len(unwrap(err)) != 1 {
			t.Fatalf("Next = %d jobs and error %v for one file", len(jobs), err)
		}
		for _, j := range jobs {
			s := j.Spec()
			if s.Scanner == "" || s.Target == "" || s.Timeout < 0 || s.Attempt < 1 {
				t.Errorf("Spec() = %+v", s)
			}
			testkit.Check(t, j.Ack(t.Context()))
		}
	})
}

func unwrap(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return nil
}
