package audit

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// crashEnv makes the test binary a child that logs until it is killed.
const crashEnv = "AUDIT_TEST_CRASH_FILE"

// crashFastEnv makes the child log as fast as it can.
const crashFastEnv = "AUDIT_TEST_CRASH_FAST"

// crashRoundsEnv sets how often TestKillAtAnyMoment kills; 20 times without it.
const crashRoundsEnv = "AUDIT_TEST_ROUNDS"

// crashChild logs some 200 events a second, every tenth a critical one. It prints "written i" when Stats counts every event
// up to i as written, "critical i" when Log has returned for critical event i, and "flushed i" after a Flush.
func crashChild(path string) {
	l, err := NewLogger(&LoggerConfig{LogFile: path, MaxSizeMB: 1, SyncTimeout: time.Hour, MaxBackups: -1, MinFreeMB: -1, Compress: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l.Start()
	pad := strings.Repeat("x", 3000) // so that files rotate
	steady := os.Getenv(crashFastEnv) == ""
	tick := time.NewTicker(5 * time.Millisecond)
	for i := 0; ; i++ {
		if steady {
			<-tick.C
		}
		e := Event{Type: EventScanStarted, JobID: strconv.Itoa(i), Message: pad}
		if i%10 == 9 {
			e.Type = EventAuthFailed
		}
		if err := l.Log(e); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if steady && l.Stats().Queued == 0 {
			fmt.Println("written", i)
		}
		if i%10 == 9 {
			fmt.Println("critical", i)
		}
		if i%25 == 24 {
			if err := l.Flush(); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println("flushed", i)
		}
	}
}

func TestKillLosesNoCriticalEvent(t *testing.T) {
	path := logPath(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var written uint64 // in all runs
	for run := range 4 {
		child := exec.Command(self)
		child.Env = append(os.Environ(), crashEnv+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		last := map[string]int{} // the last event that the child reported as written, critical or flushed
		kill := 60 + 37*run      // events, so that runs end at different places of a batch
		for lines := bufio.NewScanner(out); lines.Scan(); {
			what, n, _ := strings.Cut(lines.Text(), " ")
			i, err := strconv.Atoi(n)
			if err != nil {
				t.Fatalf("the child printed %q, want a word and a number", lines.Text())
			}
			last[what] = i
			if i >= kill {
				if err := child.Process.Kill(); err != nil { // SIGKILL; lines that it prints before it dies count too
					t.Fatal(err)
				}
				kill = 1 << 30
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child exited with status 0, want it killed")
		}

		if rep := verify(t, path, auditlog.VerifyOptions{}); rep.Verdict > auditlog.Torn {
			t.Fatalf("run %d: Verify after the kill = %v, want at most %v: %v", run, rep.Verdict, auditlog.Torn, rep.Findings)
		}
		l := open(t, path, func(c *LoggerConfig) { c.MaxSizeMB = 1 }) // removes a partial line and resumes the numbers
		stop(t, l)
		all := readAll(t, path)
		wantGapless(t, all, 1, uint64(len(all)))
		wantVerdict(t, path, auditlog.Intact)
		var end int
		for _, ln := range all[written:] {
			if ln.Type == EventScanStarted || ln.Type == EventAuthFailed {
				end, _ = strconv.Atoi(ln.JobID)
			}
		}
		for what, i := range last {
			if end < i {
				t.Errorf("run %d: the log ends with event %d, but event %d was reported as %s", run, end, i, what)
			}
		}
		written = uint64(len(all))
	}
}

// A process that logs as fast as it can, rotates and compresses is killed at random moments, many times on one log. Every
// critical event for which Log returned is in the log, and the log verifies at the end.
func TestKillAtAnyMoment(t *testing.T) {
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv(crashRoundsEnv), "20"))
	if err != nil {
		t.Fatal(err)
	}
	path := logPath(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var from logfile.Cursor
	var critical int
	for round := range rounds {
		child := exec.Command(self)
		child.Env = append(os.Environ(), crashEnv+"="+path, crashFastEnv+"=1")
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acked := -1
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatalf("round %d: the child exited before it printed a line", round)
		}
		kill := time.AfterFunc(rand.N(40*time.Millisecond), func() { _ = child.Process.Kill() })
		for more := true; more; more = lines.Scan() {
			i, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "critical "))
			if err != nil && !strings.HasPrefix(lines.Text(), "flushed ") {
				t.Fatalf("round %d: the child printed %q, want critical or flushed and a number", round, lines.Text())
			}
			acked = max(acked, i)
		}
		_ = child.Wait() // killed
		kill.Stop()

		r, err := logfile.OpenReader(path, from)
		if err != nil {
			t.Fatal(err)
		}
		there := -1 // the last critical event in the log
		for {
			l, err := r.Next()
			if err != nil {
				break
			}
			var e Event
			if json.Unmarshal(l.Bytes, &e) == nil && e.Type == EventAuthFailed {
				there, _ = strconv.Atoi(e.JobID)
				critical++
			}
		}
		from = r.Cursor()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if there < acked {
			t.Fatalf("round %d: the log ends with critical event %d, but Log had returned for event %d", round, there, acked)
		}
	}
	rep := verify(t, path, auditlog.VerifyOptions{})
	if rep.Verdict > auditlog.Torn {
		t.Fatalf("Verify = %v, want at most %v: %v", rep.Verdict, auditlog.Torn, rep.Findings)
	}
	t.Logf("%d kills, %d lines, %d of them critical, %d files", rounds, rep.Events, critical, len(rep.Files))
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := logPath(t)
	open(t, path, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := child.Output()
	want := fmt.Sprintf("is in use by process %d", os.Getpid())
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("NewLogger in a second process: %v, output %q; want an error with %q", err, out, want)
	}
}
