package scantest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// hangTime outlasts every test, and still ends should everything else fail.
const hangTime = 10 * time.Minute

// Main is the fake scanner in a process that was started as one: it does not return then. In any other process it
// does nothing. Call it first in TestMain.
func Main() {
	text, ok := os.LookupEnv(planEnv)
	if !ok && os.Getenv(proc.MarkerEnv) != "" { // it would run the tests, which start scanners
		fmt.Fprintln(os.Stderr, "fake scanner: started as a scanner without a plan")
		os.Exit(99)
	}
	if !ok {
		return
	}
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil || len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "fake scanner: bad plan or no arguments:", err)
		os.Exit(99)
	}
	if os.Args[1] == "version" {
		fmt.Println("fake scanner " + Version)
		os.Exit(0)
	}
	os.Exit(p.run(os.Args[1:]))
}

func (p *plan) run(args []string) (code int) {
	fmt.Fprint(os.Stderr, p.Stderr)
	if p.IgnoreTerm {
		ignoreTerm()
	}
	for i := range p.Children + p.Detached {
		p.start(i >= p.Children)
	}
	for range p.Crowd {
		if err := exec.Command("sleep", fmt.Sprint(int(hangTime.Seconds()))).Start(); err != nil {
			break // at a limit of the system
		}
	}
	p.work()
	ballast := make([]byte, p.Memory)
	steps := max(p.Steps, 1)
	for step := range steps {
		for i := step * len(ballast) / steps; i < (step+1)*len(ballast)/steps; i += 512 {
			ballast[i] = byte(i) // to make the memory resident
		}
		time.Sleep(p.Pause)
	}
	p.flood()
	if !p.NoReport && len(args) > 1 {
		p.report(args[0], args[1])
	}
	if p.Hang {
		time.Sleep(hangTime)
	}
	if p.Signal {
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		time.Sleep(hangTime)
	}
	runtime.KeepAlive(ballast)
	switch {
	case p.Code != nil:
		return *p.Code
	case p.Results > 0:
		return FindingsCode
	}
	return 0
}

// start starts a child that hangs and holds our output open.
func (p *plan) start(detached bool) {
	child, err := json.Marshal(plan{IgnoreTerm: p.IgnoreTerm, Hang: true})
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Args[0], "hang")
	cmd.Env = append(os.Environ(), planEnv+"="+string(child))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if detached {
		detach(cmd)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

func (p *plan) work() {
	block, h := make([]byte, 1<<20), sha256.New()
	for range p.Work {
		h.Write(block)
	}
}

func (p *plan) flood() {
	block := bytes.Repeat([]byte("flood "), 1<<16)
	for left := p.Flood; left > 0; left -= int64(len(block)) {
		if _, err := os.Stdout.Write(block); err != nil {
			return
		}
	}
}

func (p *plan) report(target, output string) {
	text := p.sarif(target)
	if p.Stdout {
		fmt.Print(text)
		return
	}
	if err := os.WriteFile(output, []byte(text), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if p.ReportAge != 0 {
		then := time.Now().Add(-p.ReportAge)
		_ = os.Chtimes(output, then, then) // a test that needs it fails without
	}
}

func (p *plan) sarif(target string) string {
	if p.Sarif != nil {
		return *p.Sarif
	}
	var results bytes.Buffer
	for i := range p.Results {
		if i > 0 {
			results.WriteString(",\n")
		}
		uri, _ := json.Marshal(filepath.ToSlash(filepath.Join(target, fmt.Sprintf("file-%d.go", i)))) // a string never fails
		fmt.Fprintf(&results, `{"ruleId":"fake-rule","level":"error","message":{"text":"fake finding %d"},"locations":[`+
			`{"physicalLocation":{"artifactLocation":{"uri":%s},"region":{"startLine":%d}}}]}`, i, uri, i+1)
	}
	return fmt.Sprintf(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":%q,"version":"0.0.0-of-sarif"}},`+
		`"invocations":[{"executionSuccessful":%t}],"results":[%s]}]}`, Name, !p.Unsuccessful, &results)
}

// ignoreTerm makes this process deaf to a polite end.
func ignoreTerm() { signal.Ignore(os.Interrupt, termSignal) }
