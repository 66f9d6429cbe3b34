package chunk

import (
	"bufio"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// Tests that kill a process run this binary again, with the database in crashDB and the step to die at in crashStep.
const (
	crashDB   = "CHUNK_TEST_CRASH_DB"
	crashStep = "CHUNK_TEST_CRASH_STEP"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashDB); path != "" {
		victim(path, os.Getenv(crashStep))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill() // SIGKILL, or what comes nearest
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}

// tell writes one line that the parent reads even when this process is dead a moment later.
func tell(format string, args ...any) {
	_, _ = os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n")
}

var crashConfig = Config{
	MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, AutoCleanupOnUpload: true, CleanupOnReportComplete: true,
	MaxConcurrentUploads: 4, UploadDelayMs: -1,
}

// steps are moments to die at: an SQL trigger within a transaction, or an event just after one.
var steps = map[string]string{
	"report row written":     "AFTER INSERT ON reports",
	"half of its parts":      "AFTER INSERT ON parts WHEN NEW.idx = 1",
	"data of the last part":  "AFTER INSERT ON blobs WHEN (SELECT idx FROM parts WHERE pid = NEW.pid) = 2",
	"outcome not committed":  "AFTER UPDATE OF done ON reports",
	"part uploaded":          "AFTER UPDATE OF state ON parts WHEN NEW.state = 2",
	"data freed":             "AFTER DELETE ON blobs",
	"report finished":        "AFTER UPDATE OF finished ON reports WHEN NEW.finished > 0",
	"committed, not told":    "",
	"receipt committed":      "",
	"leased":                 "",
	"half a stream on disk":  "",
	"stream sealed, no word": "AFTER UPDATE OF content ON reports WHEN NEW.id LIKE 'stream%'",
}

// victim uses a store until it dies: at a step, or when the parent kills it.
func victim(path, step string) {
	sqlite.MustRegisterScalarFunction("die", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		die()
		return nil, nil
	})
	cfg := crashConfig
	cfg.DatabasePath = path
	armed := false
	cfg.Sink = event.SinkFunc(func(e event.Event) {
		if armed && (e.Type == event.ChunkCreated && step == "committed, not told" || e.Type == event.ChunkUploaded && step == "receipt committed") {
			die()
		}
	})
	m, err := NewManager(&cfg)
	if err != nil {
		tell("failed %v", err)
		return
	}
	if step == "" {
		wildLife(m)
	}
	send(m, "before-6", 6) // is to survive whatever comes
	armed = true
	if on := steps[step]; on != "" {
		err := m.change(context.Background(), 0, func(t *tx) error {
			_, err := t.Exec("CREATE TEMP TRIGGER killer " + strings.Replace(on, " ON ", " ON main.", 1) + " BEGIN SELECT die(); END")
			return err
		})
		if err != nil {
			tell("failed %v", err)
			return
		}
	}
	send(m, "after-6", 6)
	if strings.Contains(step, "stream") {
		w, err := m.NewWriter(context.Background(), testReport("stream-16", 0), part.Envelope{})
		for i := 0; i < 16 && err == nil; i++ {
			err = w.AddFinding(bulkyFinding("stream-16", i))
		}
		if step == "half a stream on disk" {
			die()
		}
		_, err = w.Close()
		tell("failed %v", err)
	}
	receive(m, func() {
		if step == "leased" {
			die()
		}
	})
	tell("survived")
}

// send submits a report whose ID ends in the number of its findings.
func send(m *Manager, id string, findings int) {
	if _, err := m.SubmitReport(context.Background(), testReport(id, findings)); err != nil {
		tell("failed %v", err)
		return
	}
	tell("accepted %s", id)
}

// receive uploads the parts that are due.
func receive(m *Manager, leased func()) {
	for {
		p, _, err := m.Next(context.Background())
		if err != nil {
			tell("failed %v", err)
		}
		if p == nil {
			return
		}
		leased()
		tell("received %s %d", p.Key, p.Findings)
		if _, err := m.Settle(context.Background(), p, uploaded); err != nil {
			tell("failed %v", err)
		}
	}
}

// wildLife submits and uploads from several goroutines without end.
func wildLife(m *Manager) {
	var all sync.WaitGroup
	for g := range 3 {
		all.Go(func() {
			for i := 0; ; i++ {
				n := 1 + (i*7+g)%9
				send(m, fmt.Sprintf("r%d-%d-%d-%d", os.Getpid(), g, i, n), n)
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for {
				receive(m, func() {})
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
}

// ledger is what the outside world knows after the deaths of one or more victims.
type ledger struct {
	accepted map[string]int // findings by report ID
	received map[string]int // findings by part key
	lines    int
}

// run starts a victim and reads what it tells until it is dead. kill is called after the first line.
func (l *ledger) run(t *testing.T, path, step string, kill func(*os.Process)) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashDB+"="+path, crashStep+"="+step)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err != nil { // a line without its newline was not reported
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		l.note(t, strings.Fields(line))
		if first && kill != nil {
			go kill(cmd.Process)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the victim did not die: %v", err)
	}
}

func (l *ledger) note(t *testing.T, words []string) {
	t.Helper()
	l.lines++
	switch {
	case len(words) == 2 && words[0] == "accepted":
		l.accepted[words[1]] = findingsOf(t, words[1])
	case len(words) == 3 && words[0] == "received":
		l.received[words[1]], _ = strconv.Atoi(words[2])
	default:
		t.Errorf("the victim says: %v", words)
	}
}

func findingsOf(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settle opens the store, uploads the rest, and fails unless every accepted report was received whole, and no
// report in part.
func (l *ledger) settle(t *testing.T, path string) {
	t.Helper()
	cfg := crashConfig
	cfg.DatabasePath = path
	m := open(t, cfg) // closing it checks the file
	checkStore(t, m)
	if n := number(t, m, "SELECT count(*) FROM reports WHERE state = 0"); n != 0 {
		t.Errorf("%d half written reports are left", n)
	}
	for _, p := range drain(t, m) {
		r, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		l.received[p.Key] = len(r.Findings)
	}
	got := map[string]int{}
	for key, n := range l.received {
		id, _, _, err := part.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		got[id] += n
	}
	for id, n := range l.accepted {
		if got[id] != n {
			t.Errorf("report %s was accepted; %d of its %d findings were received", id, got[id], n)
		}
	}
	for id, n := range got {
		if want := findingsOf(t, id); n != want {
			t.Errorf("report %s: %d of %d findings were received", id, n, want)
		}
	}
	if c := m.Counts(); c.Queued+c.InProgress+c.Failed != 0 {
		t.Errorf("Counts = %+v, want Queued+InProgress+Failed == 0", c)
	}
}

func TestKilledAtAnyMomentNothingAcceptedIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks.db")
	l := &ledger{accepted: map[string]int{}, received: map[string]int{}}
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		l.run(t, path, "", func(p *os.Process) {
			time.Sleep(time.Duration(rand.Int64N(int64(120 * time.Millisecond))))
			_ = p.Kill()
		})
	}
	if len(l.accepted) < rounds {
		t.Fatalf("%d reports in %d rounds: the test shows nothing", len(l.accepted), rounds)
	}
	t.Logf("%d deaths, %d reports accepted, %d parts received before the last", rounds, len(l.accepted), len(l.received))
	l.settle(t, path)
}

func TestKilledAtAStepNothingAcceptedIsLost(t *testing.T) {
	for step := range steps {
		t.Run(strings.ReplaceAll(step, " ", "-"), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chunks.db")
			l := &ledger{accepted: map[string]int{}, received: map[string]int{}}
			l.run(t, path, step, nil)
			if l.accepted["before-6"] != 6 {
				t.Fatalf("accepted before the death: %v", l.accepted)
			}
			l.settle(t, path)
		})
	}
}
