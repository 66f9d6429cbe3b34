package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadOwner is the name of a process of this pid namespace that does not exist.
func deadOwner() string { return fmt.Sprintf("%s.%d.7", pidNamespace(), math.MaxInt32) }

// hang starts a child of this binary that hangs, with this marker, and ends it with the test.
func hang(t *testing.T, marker string) stat {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"PROC_TEST_CHILD=hang", MarkerEnv + "=" + marker}
	cmd.SysProcAttr = groupAttr()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	s, ok := readStat(cmd.Process.Pid)
	if !ok {
		t.Fatal("the child is gone")
	}
	return s
}

func recordFile(t *testing.T, r record) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "record")
	f, err := r.create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// Of what a record names, only the very process that was recorded is killed.
func TestSweepSparesWhatIsNotOnRecord(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r *record)
		killed bool
	}{
		{"the process", func(*record) {}, true},
		{"a pid that was used again", func(r *record) { r.Start-- }, false},
		{"a record from before the machine started", func(r *record) { r.Boot = "other" }, false},
		{"the child of a living agent", func(r *record) { r.Owner = Owner() }, false},
		{"a group of another session", func(r *record) { r.Start--; r.Session++ }, false},
		{"the marker of a living agent", func(r *record) { r.Marker = MakeMarker("job") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := hang(t, "")
			r := record{Boot: bootID(), Owner: deadOwner(), Session: s.session, PID: s.pid, Start: s.start}
			tt.change(&r)
			Sweep(recordFile(t, r))
			if now, ok := readStat(s.pid); (!ok || now.zombie) != tt.killed {
				t.Errorf("killed: %v", !tt.killed)
			}
		})
	}
}

// A group that has the number of a recorded one, and whose leader has ended, is not that of the child, which is marked.
func TestSweepSparesAGroupOfTheSameNumber(t *testing.T) {
	if !marks() {
		t.Skip("no marks here")
	}
	s := hang(t, "")
	gone := s.pid
	other := exec.Command(os.Args[0])
	other.Env = []string{"PROC_TEST_CHILD=hang"}
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: gone}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	_ = syscall.Kill(gone, syscall.SIGKILL)
	for readable := true; readable; _, readable = readStat(gone) { // until it is waited for
		time.Sleep(time.Millisecond)
	}
	Sweep(recordFile(t, record{Boot: bootID(), Owner: deadOwner(), Marker: deadOwner() + "/job/x", Session: s.session, PID: gone, Start: s.start}))
	if !alive(other.Process.Pid) {
		t.Error("a process that carries nothing was killed")
	}
}

// An agent that dies between fork and exec leaves a child that has its marker only a moment later.
func TestSweepWaitsForAChildToBeBorn(t *testing.T) {
	marker := deadOwner() + "/job/x"
	first := record{Boot: bootID(), Owner: deadOwner(), Marker: marker}
	born := make(chan stat)
	go func() {
		time.Sleep(execTime / 20) // the sweep has looked by then, and found nothing
		born <- hang(t, marker)
	}()
	killed, left := Sweep(recordFile(t, first))
	if s := <-born; alive(s.pid) || killed < 1 || left != 0 {
		t.Errorf("killed %d, %d left, the child is alive: %v", killed, left, alive(s.pid))
	}
}

func TestRecordSurvivesATornLine(t *testing.T) {
	r := record{Boot: "b", Owner: "o", Marker: "o/job/x", Session: 3}
	first, _ := json.Marshal(r)
	for _, tail := range []string{"", `{"pid":12,"sta`, "\x00\x00\x00", `{"pid":12,"start":` + strings.Repeat("9", 100)} {
		if got, ok := parseRecord([]byte(string(first) + "\n" + tail)); !ok || got != r {
			t.Errorf("with %q: %+v %v", tail, got, ok)
		}
	}
	r.PID, r.Start = 12, 34
	second, _ := json.Marshal(r)
	if got, ok := parseRecord([]byte(string(first) + "\n" + string(second) + "\n")); !ok || got != r {
		t.Errorf("got %+v %v", got, ok)
	}
}

func TestRecordIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "{}", "null", `{"boot":"b"}`, `{"boot":"b","owner":"o","pid":-1,"start":1}`, `{"boot":"b","owner":"o","pid":1}`,
		`{"boot":"b","owner":"o","marker":"other/job/x"}`, `{"boot":"b","owner":"o","leaf":"rediver-o-1"}`,
		`{"boot":"b","owner":"o","leaf":"/x/rediver-other-1"}`, `{"boot":"b","owner":"o","leaf":"/etc"}`,
	} {
		if r, ok := parseRecord([]byte(text)); ok {
			t.Errorf("%q is taken for %+v", text, r)
		}
	}
}

// The record is there before the child is, and its file is bounded.
func TestRecordIsWrittenFirst(t *testing.T) {
	s := spec(t, "exit")
	s.Record = filepath.Join(t.TempDir(), "no such directory", "record")
	if _, err := Run(t.Context(), s); err == nil {
		t.Fatal("a child was started that is on no record")
	}
	s = spec(t, "exit")
	s.Record = filepath.Join(t.TempDir(), "record")
	run(t, t.Context(), s)
	r, ok := readRecord(s.Record)
	if !ok || r.Marker != s.Marker || r.PID <= 0 || r.Start == 0 || r.Owner != Owner() {
		t.Errorf("got %+v %v", r, ok)
	}
	if info, err := os.Stat(s.Record); err != nil || info.Size() > maxRecord/4 {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
}

// A scanner may put anything in the place of its record.
func TestRecordThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Symlink(recordFile(t, record{Boot: "b", Owner: "o"}), link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, link, dir, filepath.Join(dir, "none")} {
		if r, ok := readRecord(name); ok {
			t.Errorf("%s is taken for %+v", name, r)
		}
	}
	if f, err := (record{}).create(link); err == nil {
		t.Error("a record was written through a link")
		_ = f.Close()
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"boot":"b","owner":"o","marker":"o/job/x","leaf":"/g/rediver-o-x"}` + "\n" + `{"pid":1,"start":2}` + "\n"))
	f.Add([]byte(`{"boot":"b","owner":"1.2.3","pid":1`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseRecord(b)
		if !ok {
			return
		}
		if r.PID > 0 != (r.Start > 0) || r.Leaf != "" && OwnerOf(filepath.Base(r.Leaf), leafPrefix) != r.Owner || r.Marker != "" && ownerIn(r.Marker) != r.Owner {
			t.Errorf("%q is taken for %+v", b, r)
		}
	})
}
