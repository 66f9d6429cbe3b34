package audit

import (
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

func benchEvent() Event {
	return Event{Type: EventJobCompleted, JobID: "job-456", ReportID: "report-789", Message: "Job completed successfully",
		Duration: 45 * time.Second, Details: map[string]any{"findings_count": 23, "tool": "semgrep", "target": "/srv/checkout/project", "exit_code": 0}}
}

// BenchmarkLog is what a producer pays, and the writer on the other processor.
func BenchmarkLog(b *testing.B) {
	l := open(b, logPath(b), nil)
	l.Start()
	e := benchEvent()
	b.ReportAllocs()
	for b.Loop() {
		l.Log(e)
	}
	b.StopTimer()
	stop(b, l)
	if s := l.Stats(); s.Dropped > 0 {
		b.Errorf("%d of %d dropped", s.Dropped, s.Logged)
	}
}

// BenchmarkLogCritical is an event that is on disk when Log returns.
func BenchmarkLogCritical(b *testing.B) {
	l := open(b, logPath(b), nil)
	l.Start()
	e := benchEvent()
	e.Severity = SeverityCritical
	for b.Loop() {
		l.Log(e)
	}
}

func BenchmarkEncode(b *testing.B) {
	e := benchEvent()
	b.ReportAllocs()
	for b.Loop() {
		enc := newEncoder(nil)
		enc.event(&e)
		enc.free()
	}
}

func BenchmarkRedact(b *testing.B) {
	for name, s := range map[string]string{
		"clean": "scanner ended after 45s with exit code 0, 23 findings in /srv/checkout/project/main.go:17",
		"dirty": `Get "https://bob:hunter2@example.com/x?access_token=abc": connection refused`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				redact.Text(s)
			}
		})
	}
}

// BenchmarkVerify reads a log of 20 files.
func BenchmarkVerify(b *testing.B) {
	path := logPath(b)
	l := open(b, path, nil)
	l.io.file.max = 256 << 10
	l.Start()
	for range 10_000 {
		if err := l.Log(benchEvent()); err != nil {
			b.Fatal(err)
		}
	}
	stop(b, l)
	var bytes int64
	for _, f := range verify(b, path, auditlog.VerifyOptions{}).Files {
		bytes += f.Bytes
	}
	b.SetBytes(bytes)
	for b.Loop() {
		if rep := verify(b, path, auditlog.VerifyOptions{}); rep.Verdict != auditlog.Intact {
			b.Fatal(rep.Findings)
		}
	}
}

// BenchmarkSeal is what the writer adds to a line, after Log returned.
func BenchmarkSeal(b *testing.B) {
	e := benchEvent()
	enc := newEncoder(nil)
	enc.event(&e)
	line := numberLine(enc.buf, logfile.LineTail("0123456789abcdef"), 7)
	s := logfile.Sealer{Linker: logfile.NewLinker(), At: logfile.Place{Seq: 6, Chain: logfile.Genesis}}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = s.Seal(out[:0], line)
	}
}
