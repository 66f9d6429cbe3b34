//go:build unix

package agentcmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// BenchmarkImport200MB imports a SARIF file of 200 MB as a user does, end to end into the ingest store, and reports
// the peak resident memory of the whole program, its ingest server included, beside the speed.
func BenchmarkImport200MB(b *testing.B) {
	dir := b.TempDir()
	bin := filepath.Join(dir, "example-agent")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/example-agent").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "big.sarif")
	results := writeSARIF(b, file, 200<<20)
	b.SetBytes(200 << 20)
	for b.Loop() {
		state := b.TempDir()
		cmd := exec.Command(bin, "import", file, "--state-dir", state, "--wait", "10m", "-o", "json")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var s summary
		if err := json.Unmarshal(out, &s); err != nil || s.Findings != results || s.Created != results {
			b.Fatalf("%d findings read and %d stored, want %d (%v)", s.Findings, s.Created, results, err)
		}
		peak := float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		if runtime.GOOS == "linux" {
			peak *= 1024 // it is in KiB there, in bytes on other systems
		}
		b.ReportMetric(peak/(1<<20), "MiB-peak-rss")
		b.ReportMetric(float64(results), "results")
	}
}

// writeSARIF writes a file of at least size bytes and returns how many results it has.
func writeSARIF(b *testing.B, path string, size int) (results int) {
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	r := rand.New(rand.NewPCG(1, 2))
	n, _ := w.WriteString(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"bench","rules":[{"id":"R1"}]}},"results":[`)
	for ; n < size; results++ {
		comma := ","
		if results == 0 {
			comma = ""
		}
		m, _ := fmt.Fprintf(w, `%s{"ruleId":"R%d","level":%q,"message":{"text":"value %x of request %d flows into the query at this place"},`+
			`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"src/dir%d/file%d.go"},"region":{"startLine":%d,"endLine":%d,`+
			`"startColumn":3,"endColumn":40,"snippet":{"text":"db.Query(\"select %x\" + r.URL.Query().Get(\"%x\"))"}}}}],"partialFingerprints":{"h/v1":"%016x%016x"}}`,
			comma, r.IntN(200), []string{"error", "warning", "note"}[r.IntN(3)], r.Uint64(), results,
			results%50, results%5000, results%3000+1, results%3000+2, r.Uint64(), r.Uint32(), r.Uint64(), r.Uint64())
		n += m
	}
	_, _ = w.WriteString("]}]}")
	if err := w.Flush(); err != nil { // keeps the first error of all writes
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return results
}
