package scan_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// marked returns the processes whose marker holds id.
func marked(id string) (pids []string) {
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, e := range entries {
		b, _ := os.ReadFile(e)
		for kv := range bytes.SplitSeq(b, []byte{0}) {
			if bytes.HasPrefix(kv, []byte("REDIVER_JOB=")) && strings.Contains(string(kv), "/"+report.CleanID(id+"/"+scantest.Name)+"/") {
				pids = append(pids, strings.Split(e, "/")[2])
			}
		}
	}
	return pids
}

// await polls until ok or the test is given up.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func TestNothingOutlivesAScan(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   []scantest.Behaviour
		fail scan.Cause
	}{
		{"that succeeds", nil, ""},
		{"that hangs", []scantest.Behaviour{scantest.Hang()}, scan.CauseTimeout},
		{"that hangs and is deaf", []scantest.Behaviour{scantest.Hang(), scantest.IgnoreTerm()}, scan.CauseTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			do := append([]scantest.Behaviour{scantest.Fork(2), scantest.Detach(2)}, tt.do...)
			b := newBench(t, scan.Config{Timeout: 2 * time.Second}, scantest.Definition(t, do...))
			id := rand.Text() // of another run of this test there may be processes, too
			res, err := b.Scan(t.Context(), scan.Request{Scanner: scantest.Name, Target: b.target, JobID: id}, b.rec.Open)
			var se *scan.Error
			switch {
			case tt.fail != "":
				if !errors.As(err, &se) || se.Cause != tt.fail || se.Process.Survivors != 0 {
					t.Errorf("got %#v: %v", se, err)
				}
			case err != nil:
				t.Fatal(err)
			case res.Process.Leftovers != 4 || res.Process.Survivors != 0 || len(res.Warnings) != 1:
				t.Errorf("got %+v, %q; want 4 leftovers and a warning", res.Process, res.Warnings)
			}
			if left := marked(id); len(left) > 0 {
				t.Errorf("still alive: %v", left)
			}
			b.clean(t)
		})
	}
}

func TestMemoryLimit(t *testing.T) {
	b := newBench(t, scan.Config{MemoryLimitBytes: 100 << 20}, scantest.Definition(t, scantest.Memory(200<<20), scantest.Hang()))
	_, err := b.scan(t.Context())
	var se *scan.Error
	if !errors.As(err, &se) || se.Cause != scan.CauseMemory || se.Process.PeakMemory <= 100<<20 {
		t.Errorf("got %#v: %v", se, err)
	}
}

// After the agent is killed, the next one finds the scanner and its directory, but not those of a living agent.
func TestSweepAfterTheAgentIsKilled(t *testing.T) {
	dir := t.TempDir()
	id := rand.Text()
	dir = filepath.Join(dir, id)
	agent := exec.Command(os.Args[0])
	agent.Env = append(os.Environ(), agentEnv+"="+dir)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer agent.Wait()
	defer agent.Process.Kill()
	await(t, "scanner and its children", func() bool { return len(marked(id)) >= 3 })

	r, err := scan.NewRunner(scan.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, dirs, err := r.Sweep(); dirs != 0 || err != nil || len(marked(id)) < 3 {
		t.Errorf("swept %d directories of a living agent, %d processes left, %v", dirs, len(marked(id)), err)
	}
	_ = agent.Process.Kill()
	_ = agent.Wait()
	processes, dirs, err := r.Sweep()
	if processes < 3 || dirs != 1 || err != nil {
		t.Errorf("swept %d processes, %d directories, %v", processes, dirs, err)
	}
	await(t, "the end of what was swept", func() bool { return len(marked(id)) == 0 })
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestConcurrentScansLeaveNothing(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Results(5), scantest.Fork(1), scantest.Detach(1)))
	id := rand.Text()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			var rec scantest.Recorder
			req := scan.Request{Scanner: scantest.Name, Target: b.target, JobID: fmt.Sprintf("%s-%d", id, i)}
			res, err := b.Scan(t.Context(), req, rec.Open)
			if err != nil || res.Summary.Findings != 5 || res.Process.Leftovers != 2 {
				t.Errorf("scan %d: %+v, %v", i, res, err)
			}
			if left := marked(req.JobID); len(left) > 0 {
				t.Errorf("scan %d: still alive: %v", i, left)
			}
		})
	}
	wg.Wait()
	b.clean(t)
}
