package audit

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashEnv makes the test binary a child that logs until it is killed.
const crashEnv = "AUDIT_TEST_CRASH_FILE"

// crashChild logs some 200 events a second, each tenth a critical one, and prints what Log has returned for.
func crashChild(path string) {
	l, err := NewLogger(&LoggerConfig{LogFile: path, MaxSizeMB: 1, SyncTimeout: time.Hour, Output: io.Discard})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l.Start()
	pad := strings.Repeat("x", 3000) // so that files rotate
	tick := time.NewTicker(5 * time.Millisecond)
	for i := 0; ; i++ {
		<-tick.C
		e := Event{Type: EventScanStarted, JobID: strconv.Itoa(i), Message: pad}
		if i%10 == 9 {
			e.Type = EventAuthFailed
		}
		l.Log(e)
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
		var critical, flushed int
		kill := 60 + 37*run // events, so that runs end at different places of a batch
		for lines := bufio.NewScanner(out); lines.Scan(); {
			what, n, _ := strings.Cut(lines.Text(), " ")
			i, err := strconv.Atoi(n)
			if err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			switch what {
			case "critical":
				critical = i
			case "flushed":
				flushed = i
			}
			if i >= kill {
				if err := child.Process.Kill(); err != nil { // SIGKILL; what it still says before it dies counts too
					t.Fatal(err)
				}
				kill = 1 << 30
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}

		l := open(t, path, func(c *LoggerConfig) { c.MaxSizeMB = 1 }) // cuts half a line, and finds the last number
		stop(t, l)
		all := readAll(t, path)
		wantGapless(t, all, 1, uint64(len(all)))
		var last int
		for _, ln := range all[written:] {
			if ln.Type == EventScanStarted || ln.Type == EventAuthFailed {
				last, _ = strconv.Atoi(ln.JobID)
			}
		}
		if last < critical || last < flushed {
			t.Errorf("run %d: the log ends with event %d; critical ones were acknowledged to %d, flushed ones to %d", run, last, critical, flushed)
		}
		written = uint64(len(all))
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
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
		t.Errorf("the second process: %v, %q, want %q", err, out, want)
	}
}
