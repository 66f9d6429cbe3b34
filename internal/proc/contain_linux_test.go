package proc

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

var levels = []Level{Group, Subreaper, PIDNamespace, Cgroup}

// namespaceEnv carries the name of the tests' namespace to an agent.
const namespaceEnv = "PROC_TEST_NAMESPACE"

// standAlone gives the processes of these tests a namespace that no other test's sweep knows.
func standAlone() {
	name := cmp.Or(os.Getenv(namespaceEnv), pidNamespace()+"t"+rand.Text())
	pidNamespace = func() string { return name }
}

// beOther turns the test binary into what a test of containment asks for.
func beOther() {
	beShape()
	if text := os.Getenv(asAgent); text != "" {
		var a agent
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			panic(err)
		}
		a.main()
		os.Exit(0)
	}
}

// asAgent carries an agent to the process that is to be it.
const asAgent = "PROC_TEST_AGENT"

// agent runs one child in a process of its own: a subreaper stays one, and an agent is to be killed.
type agent struct {
	Level Level
	Dir   string
	Token string
	How   string // the child is stopped, or ended: has ended by itself, or else stays

	UID    uint32 // whom it runs as; 0: as we do
	Binary string // what it is then started from
}

// record is the file in which it records its child.
func (a *agent) record() string { return filepath.Join(a.Dir, "record") }

// command is the agent to be.
func (a *agent) command() *exec.Cmd {
	text, _ := json.Marshal(a) // it never fails
	cmd := exec.Command(cmp.Or(a.Binary, os.Args[0]))
	cmd.Env = append(os.Environ(), asAgent+"="+string(text), namespaceEnv+"="+pidNamespace(), "GORACE=atexit_sleep_ms=0")
	if a.UID != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.UID, Gid: a.UID}}
	}
	cmd.Stderr = os.Stderr
	return cmd
}

func (a *agent) main() {
	if a.How == "reap" {
		a.reap()
		return
	}
	c, err := Contain(a.Level)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := filepath.Join(a.Dir, "out")
	s := Spec{
		Path: os.Args[0], Args: shapeArgs(a.Token, a.Dir, shapes...), Env: []string{"GORACE=atexit_sleep_ms=0"},
		Marker: MakeMarker("test"), Stdout: out, Stderr: filepath.Join(a.Dir, "err"),
		Contain: c, Record: a.record(), Grace: 100 * time.Millisecond,
	}
	go func() {
		for b := []byte{}; !bytes.Contains(b, []byte("ready")); time.Sleep(time.Millisecond) {
			b, _ = os.ReadFile(out) // until the child writes it
		}
		switch a.How {
		case "stopped":
			cancel()
		case "ended":
			_ = os.WriteFile(filepath.Join(a.Dir, "end"), nil, 0o600) // else the test waits in vain
		}
	}()
	res, err := Run(ctx, s)
	if err != nil {
		panic(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(res) // else the test misses it
}

// containment returns that of a level, and skips the test where there is none.
func containment(t *testing.T, l Level) *Containment {
	t.Helper()
	c, err := Contain(l)
	if err != nil {
		t.Skip(err)
	}
	return c
}

// tokened returns the living processes with the token among their arguments.
func tokened(token string) (found []stat) {
	for _, s := range processes() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.pid))
		if bytes.Contains(b, []byte(token)) {
			found = append(found, s)
		}
	}
	return found
}

func awaitEnd(t testing.TB, token string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(tokened(token)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("processes do not end")
		}
	}
}

// tally counts processes by shape; empty: none.
func tally(found []stat) string {
	var names []string
	for _, s := range found {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.pid))
		args := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
		name := args[len(args)-1]
		if strings.Contains(name, ",") {
			name = "leader"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// Whatever shapes a scanner's processes take: none outlives Run, whether the scanner is stopped or ends by itself; and
// when the agent is killed, none outlives the next agent's sweep. The table is what docs/explanation/containment.md shows.
func TestSurvivorMatrix(t *testing.T) {
	table := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "level\tstopped\tended by itself\tagent killed\tafter the sweep\n")
	for _, l := range levels {
		if _, err := Contain(l); l != Subreaper && err != nil { // that would make this process one
			fmt.Fprintf(table, "%s\t%v\n", l, err)
			continue
		}
		t.Run(string(l), func(t *testing.T) {
			fmt.Fprintf(table, "%s\t%s\t%s\t", l, outlive(t, l, "stopped"), outlive(t, l, "ended"))
			alive, left := outliveAgent(t, l)
			fmt.Fprintf(table, "%s\t%s\n", alive, left)
		})
	}
	_ = table.Flush() // t.Output never fails
}

// outlive runs a child with one process of each shape and returns what is alive after Run.
func outlive(t *testing.T, l Level, how string) string {
	a := agent{Level: l, Dir: t.TempDir(), Token: rand.Text(), How: how}
	out, err := a.command().Output()
	alive := tokened(a.Token)
	defer sweepToken(a.Token)
	if err != nil {
		t.Fatal(err)
	}
	var res Result
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	if len(alive) > 0 || res.Survivors > 0 || res.Containment != l {
		t.Errorf("%s, %s: alive: %s; %+v", l, how, tally(alive), res)
	}
	if want := len(shapes); how == "ended" && res.Leftovers != want && l != PIDNamespace { // of which the kernel says nothing
		t.Errorf("%s: %d leftovers are reported, want %d", l, res.Leftovers, want)
	}
	return fmt.Sprintf("%d of %d", len(alive), len(shapes)+1)
}

// outliveAgent kills the agent of such a child and returns what is alive then, and after a sweep.
func outliveAgent(t *testing.T, l Level) (alive, left string) {
	a := agent{Level: l, Dir: t.TempDir(), Token: rand.Text()}
	cmd := a.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer sweepToken(a.Token)
	awaitFile(filepath.Join(a.Dir, string(shapes[len(shapes)-1])))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if l == PIDNamespace {
		awaitEnd(t, a.Token)
	}
	before := tokened(a.Token)
	killed, remain := Sweep(a.record())
	after := tokened(a.Token)
	if len(after) > 0 || remain > 0 || killed < len(before) {
		t.Errorf("%s: %d of %d killed, %d remain, alive: %s", l, killed, len(before), remain, tally(after))
	}
	return fmt.Sprintf("%d of %d", len(before), len(shapes)+1), cmp.Or(tally(after), "0")
}

// sweepToken ends what a broken test has left.
func sweepToken(token string) {
	for _, s := range tokened(token) {
		if p, err := os.FindProcess(s.pid); err == nil {
			_ = p.Kill()
		}
	}
}
