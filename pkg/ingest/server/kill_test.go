package server

import (
	"bufio"
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"modernc.org/sqlite"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
)

// The environment of a victim: the path of its store, the step at which it dies, and how often it reaches that step.
const (
	victimStore = "INGEST_VICTIM_STORE"
	victimStep  = "INGEST_VICTIM_STEP"
	victimAfter = "INGEST_VICTIM_AFTER"
)

// atCommit and answered are the steps without a trigger: during the commit, and after it but before the answer.
const (
	atCommit = "commit"
	answered = "answer"
)

// killed returns the reports of the victim, some of which have the same findings.
func killed(t testing.TB) (reports [][]*part.Part) {
	for i := range 4 {
		r := sample(fmt.Sprint("r", i), 90)
		for _, f := range r.Findings[:30] {
			f.Message = fmt.Sprint(i)
		}
		reports = append(reports, split(t, r, 30))
	}
	return reports
}

// dieAt returns a function that kills the process when it is called for the after-th time.
func dieAt(after int) func() {
	var n atomic.Int64
	return func() {
		if n.Add(1) != int64(after) {
			return
		}
		if self, err := os.FindProcess(os.Getpid()); err != nil || self.Kill() != nil {
			os.Exit(99)
		}
		select {} // until it is delivered
	}
}

// TestVictim is not a test but the process that other tests kill.
func TestVictim(t *testing.T) {
	path, step := os.Getenv(victimStore), os.Getenv(victimStep)
	if path == "" {
		t.Skip("run by TestKilledAtEveryStepOfACommit")
	}
	after, err := strconv.Atoi(os.Getenv(victimAfter))
	if err != nil {
		t.Fatal(err)
	}
	die := dieAt(after)
	sqlite.MustRegisterScalarFunction("die", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) { die(); return nil, nil })
	s, err := OpenStore(StoreConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	switch step {
	case atCommit:
		commits := 0
		onCommit(t, s, func() int32 {
			if commits++; commits > 1 { // the first one registers the hook
				die()
			}
			return 0
		})
	case answered:
	default:
		execute(t, s, fmt.Sprintf("CREATE TEMP TRIGGER die %s BEGIN SELECT die(); END", strings.Replace(step, " ON ", " ON main.", 1)))
	}
	var wg sync.WaitGroup
	for _, parts := range killed(t) {
		wg.Go(func() {
			for _, p := range parts {
				mustPut(t, s, "a", p)
				if step == answered {
					die()
				}
				fmt.Println("stored", p.Key)
			}
		})
	}
	wg.Wait()
}

// Wherever a server is killed, the parts that it answered are stored, only whole reports are visible, and sending the rest again
// completes all reports.
func TestKilledAtEveryStepOfACommit(t *testing.T) {
	all := []string{atCommit, answered}
	for _, step := range steps {
		on, _, _ := strings.Cut(step, " WHEN ")
		all = append(all, on)
	}
	if testing.Short() {
		all = all[:4]
	}
	for i, step := range all {
		after := 1 + i%3
		if step == "BEFORE INSERT ON tenant" { // that passes once
			after = 1
		}
		t.Run(step, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ingest.db")
			stored := runVictim(t, path, step, after)
			s, err := OpenStore(StoreConfig{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if visible := count(t, s, "finding"); visible != 0 && visible != 90 {
				t.Errorf("%d findings visible: no whole reports", visible)
			}
			for _, parts := range killed(t) {
				for _, p := range parts {
					if a := mustPut(t, s, "a", p); stored[p.Key] && !a.Duplicate {
						t.Errorf("part %s was answered and is lost", p.Key)
					}
				}
			}
			st, err := s.Tenant("a").Stats(t.Context())
			if err != nil || st.Findings != 90 || st.Reports != 4 || st.Parts != 12 || st.Incomplete != 0 || count(t, s, "content") != 90 || len(findings(t, s.Tenant("a"), ingest.Query{})) != 90 {
				t.Errorf("%+v, %v, %d contents", st, err, count(t, s, "content"))
			}
		})
	}
}

// runVictim returns the keys of the parts that the victim answered before it was killed.
func runVictim(t *testing.T, path, step string, after int) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestVictim$")
	cmd.Env = append(os.Environ(), victimStore+"="+path, victimStep+"="+step, fmt.Sprintf("%s=%d", victimAfter, after))
	out, err := cmd.Output()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() == 99 || bytes.Contains(out, []byte("FAIL")) || bytes.Contains(out, []byte("PASS")) {
		t.Fatalf("the victim was not killed: %v\n%s", err, out)
	}
	stored := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if key, ok := strings.CutPrefix(lines.Text(), "stored "); ok {
			stored[key] = true
		}
	}
	return stored
}
