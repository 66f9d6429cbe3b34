package agentcmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// BenchmarkScanOverhead runs a scanner by itself and through the agent, in turns, and reports how much longer the agent
// takes: the median of the ratios of wall time and of CPU time, with the scanner included in both, and what is added
// in milliseconds. The scanner computes for about as long as the name says on an idle machine and reports 100 findings.
func BenchmarkScanOverhead(b *testing.B) {
	dir := b.TempDir()
	bin := filepath.Join(dir, "example-agent")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/example-agent").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	target := filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(target, "main.go"), []byte("package main\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, lasts := range []time.Duration{time.Second, 10 * time.Second} {
		b.Run(lasts.String(), func(b *testing.B) {
			def := fake(b, "work", scantest.Results(100), scantest.Work(int(lasts/hashTime(b))))
			config := filepath.Join(b.TempDir(), "agent.yaml")
			text := plainConfig + "scan: {nice: -1}\n" + scanners(b, def) // as nice as by itself
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			alone := func() *exec.Cmd {
				cmd := exec.Command(def.Command, target, filepath.Join(b.TempDir(), "out.sarif"))
				cmd.Env = append(os.Environ(), def.Env...)
				return cmd
			}
			through := func() *exec.Cmd {
				return exec.Command(bin, "scan", "--config", config, "--state-dir", b.TempDir(), "--scanner", "work", "-o", "json", target)
			}
			var wall, cpu, wallAdded, cpuAdded []float64
			for b.Loop() {
				w, c := timed(b, alone(), scantest.FindingsCode, 0)
				aw, ac := timed(b, through(), ExitOK, 100)
				wall, cpu = append(wall, aw.Seconds()/w.Seconds()), append(cpu, ac.Seconds()/c.Seconds())
				wallAdded, cpuAdded = append(wallAdded, (aw-w).Seconds()*1000), append(cpuAdded, (ac-c).Seconds()*1000)
			}
			b.ReportMetric(middle(wall), "x-time")
			b.ReportMetric(middle(cpu), "x-cpu")
			b.ReportMetric(middle(wallAdded), "ms-added")
			b.ReportMetric(middle(cpuAdded), "cpu-ms-added")
		})
	}
}

// hashTime is how long the scanner takes for one MiB.
func hashTime(b *testing.B) time.Duration {
	b.Helper()
	def := fake(b, "work", scantest.Work(512))
	cmd := exec.Command(def.Command, b.TempDir(), filepath.Join(b.TempDir(), "out.sarif"))
	cmd.Env = append(os.Environ(), def.Env...)
	_, cpu := timed(b, cmd, 0, 0)
	return max(cpu/512, time.Microsecond)
}

// timed runs a command and returns the time it took and the CPU time that it and its children used.
func timed(b *testing.B, cmd *exec.Cmd, code, findings int) (wall, cpu time.Duration) {
	b.Helper()
	begun := time.Now()
	out, err := cmd.Output()
	wall = time.Since(begun)
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		b.Fatalf("%v: %v, want exit code %d: %s", cmd.Args, err, code, out)
	}
	if findings > 0 {
		var s summary
		if err := json.Unmarshal(out, &s); err != nil || s.Findings != findings {
			b.Fatalf("%d findings, want %d: %v", s.Findings, findings, err)
		}
	}
	return wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// middle is the median.
func middle(xs []float64) float64 { return slices.Sorted(slices.Values(xs))[len(xs)/2] }
