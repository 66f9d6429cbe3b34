// Package scantest has a fake scanner for tests: the test binary, started once more, which behaves as it is told.
//
//	func TestMain(m *testing.M) {
//		scantest.Main() // does not return in the process that is the scanner
//		os.Exit(m.Run())
//	}
//
//	func TestMyAgent(t *testing.T) {
//		table, err := scan.NewTable(scantest.Definition(t, scantest.Results(3)))
//		…
//	}
package scantest

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/scan"
)

// Name is the name of the fake scanner.
const Name = "fake"

// Version is what the fake scanner says its version is; its SARIF says another one.
const Version = "1.2.3"

// FindingsCode is the exit code of the fake scanner that means findings.
const FindingsCode = 42

// planEnv carries the plan from Definition to Main.
const planEnv = "REDIVER_FAKE_SCANNER"

// plan is what the fake scanner does, in the order of its fields.
type plan struct {
	Stderr     string
	IgnoreTerm bool
	Children   int // that hang, in its process group
	Detached   int // that hang, in a session of their own
	Crowd      int // processes that hang and are as small as there are
	Memory     int64
	Steps      int           // in which Memory is taken; 0: 1
	Pause      time.Duration // after each
	Flood      int64
	Work       int // MiB that are hashed

	Results      int
	Sarif        *string // instead of Results
	NoReport     bool
	Unsuccessful bool
	ReportAge    time.Duration
	Stdout       bool // the report goes to standard output

	Hang   bool
	Signal bool // kills itself
	Code   *int
}

// Behaviour is something the fake scanner does. Without any it writes a report of no results and exits 0.
type Behaviour func(*plan)

// Results makes it report n results, one a file of the target. It exits with FindingsCode unless Exit says otherwise.
func Results(n int) Behaviour { return func(p *plan) { p.Results = n } }

// Sarif makes it write text as its report.
func Sarif(text string) Behaviour { return func(p *plan) { p.Sarif = &text } }

// NoReport makes it write no report.
func NoReport() Behaviour { return func(p *plan) { p.NoReport = true } }

// OldReport makes its report look as if it was written that long ago.
func OldReport(age time.Duration) Behaviour { return func(p *plan) { p.ReportAge = age } }

// Unsuccessful makes its report say executionSuccessful: false.
func Unsuccessful() Behaviour { return func(p *plan) { p.Unsuccessful = true } }

// Stdout makes it write its report to standard output.
func Stdout() Behaviour { return func(p *plan) { p.Stdout = true } }

// Exit makes it exit with code.
func Exit(code int) Behaviour { return func(p *plan) { p.Code = &code } }

// Stderr makes it write text to standard error.
func Stderr(text string) Behaviour { return func(p *plan) { p.Stderr = text } }

// Hang makes it wait, for longer than any test, where it would exit.
func Hang() Behaviour { return func(p *plan) { p.Hang = true } }

// IgnoreTerm makes it, and its children, ignore the signal that asks it to end.
func IgnoreTerm() Behaviour { return func(p *plan) { p.IgnoreTerm = true } }

// Killed makes it end by a signal, as the kernel ends what uses too much memory.
func Killed() Behaviour { return func(p *plan) { p.Signal = true } }

// Fork makes it start n children that hang, and leave them behind.
func Fork(n int) Behaviour { return func(p *plan) { p.Children = n } }

// Detach makes it start n children that hang in a session of their own, out of reach of its process group.
func Detach(n int) Behaviour { return func(p *plan) { p.Detached = n } }

// Crowd makes it start n processes of the program sleep, and leave them behind.
func Crowd(n int) Behaviour { return func(p *plan) { p.Crowd = n } }

// Work makes it hash that many MiB: CPU time that does not depend on how busy the host is.
func Work(mib int) Behaviour { return func(p *plan) { p.Work = mib } }

// Memory makes it use that much.
func Memory(bytes int64) Behaviour { return func(p *plan) { p.Memory = bytes } }

// MemorySteps makes it use n times that much, one after the other, with a pause after each.
func MemorySteps(n int, bytes int64, pause time.Duration) Behaviour {
	return func(p *plan) { p.Memory, p.Steps, p.Pause = int64(n)*bytes, n, pause }
}

// Flood makes it write that much to standard output, which it uses for no report.
func Flood(bytes int64) Behaviour { return func(p *plan) { p.Flood = bytes } }

// Definition returns the fake scanner as a scan.Definition. Its exit codes are 0 for clean and FindingsCode.
func Definition(t testing.TB, behaviours ...Behaviour) scan.Definition {
	t.Helper()
	var p plan
	for _, b := range behaviours {
		b(&p)
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return scan.Definition{
		Name: Name, Command: self, Args: []string{"{target}", "{output}"}, Stdout: p.Stdout,
		ExitCodes: scan.ExitCodes{Clean: []int{0}, Findings: []int{FindingsCode}},
		Env: []string{
			fmt.Sprintf("%s=%s", planEnv, b),
			"GORACE=atexit_sleep_ms=0", // under the race detector a process takes a second to exit otherwise
		},
		VersionArgs: []string{"version"},
	}
}
