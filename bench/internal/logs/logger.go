package logs

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/rediverio/sdk/pkg/audit"
)

// Ours is the logger that the others are compared with.
const Ours = "ours"

// fileMB is the size at which files rotate.
const fileMB = 10

// logger logs the same event again and again.
type logger struct {
	log   func()
	close func() error // returns once every event is in a file
}

// kind is a way to log.
type kind struct {
	name string
	what string
	open func(dir string) (logger, error)
}

var kinds = []kind{
	{Ours, "audit.Logger: numbered, SHA-256 chain, redacted; fsync after 100 events, or as many as came during the last one", ours(0)},
	{"ours-lazy", "the same, fsync by size and time alone", ours(-1)},
	{"zerolog", "details by Dict().Fields; no chain, no fsync, nothing redacted", lumber(newZerolog)},
	{"zap", "details by Any; as above", lumber(newZap)},
	{"slog", "details by Any; as above", lumber(newSlog)},
}

// event is the logged event, with a map of the usual size.
var event = audit.Event{
	Type: audit.EventJobCompleted, Severity: audit.SeverityInfo, AgentID: "build-host-7", TenantID: "tenant-3", JobID: "job-456",
	ReportID: "report-789", Message: "job completed", Duration: 45 * time.Second,
	Details: map[string]any{"findings_count": 23, "tool": "semgrep", "target": "/srv/checkout/project", "exit_code": 0},
}

func ours(bufferSize int) func(string) (logger, error) {
	return func(dir string) (logger, error) {
		l, err := audit.NewLogger(&audit.LoggerConfig{
			LogFile: filepath.Join(dir, "audit.log"), MaxSizeMB: fileMB, MaxBackups: -1, BufferSize: bufferSize, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return logger{}, err
		}
		l.Start()
		return logger{func() { _ = l.Log(event) }, l.Stop}, nil // a dropped event is noticed when the files are counted
	}
}

// lumber opens a peer that writes to lumberjack through a buffer.
func lumber(peer func(io.Writer) func()) func(string) (logger, error) {
	return func(dir string) (logger, error) {
		w := &lineBuffer{to: &lumberjack.Logger{Filename: filepath.Join(dir, "peer.log"), MaxSize: fileMB}}
		return logger{peer(w), w.Close}, nil
	}
}

func newZerolog(w io.Writer) func() {
	l := zerolog.New(w)
	return func() {
		l.Log().Time("timestamp", time.Now().UTC()).Str("type", string(event.Type)).Str("severity", string(event.Severity)).
			Str("agent_id", event.AgentID).Str("tenant_id", event.TenantID).Str("job_id", event.JobID).Str("report_id", event.ReportID).
			Dur("duration_ms", event.Duration).Dict("details", zerolog.Dict().Fields(event.Details)).Msg(event.Message)
	}
}

func newZap(w io.Writer) func() {
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	l := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.AddSync(w), zap.InfoLevel))
	return func() {
		l.Info(event.Message, zap.String("type", string(event.Type)), zap.String("agent_id", event.AgentID), zap.String("tenant_id", event.TenantID),
			zap.String("job_id", event.JobID), zap.String("report_id", event.ReportID), zap.Duration("duration_ms", event.Duration), zap.Any("details", event.Details))
	}
}

func newSlog(w io.Writer) func() {
	l := slog.New(slog.NewJSONHandler(w, nil))
	return func() {
		l.LogAttrs(context.Background(), slog.LevelInfo, event.Message, slog.String("type", string(event.Type)), slog.String("agent_id", event.AgentID),
			slog.String("tenant_id", event.TenantID), slog.String("job_id", event.JobID), slog.String("report_id", event.ReportID),
			slog.Duration("duration_ms", event.Duration), slog.Any("details", event.Details))
	}
}

// lineBuffer collects whole lines: a bufio.Writer would tear one at each end of a file.
type lineBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	to  *lumberjack.Logger
}

const bufferBytes = 64 << 10

func (w *lineBuffer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf.Len()+len(line) > bufferBytes {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	return w.buf.Write(line)
}

func (w *lineBuffer) flush() error {
	_, err := w.to.Write(w.buf.Bytes())
	w.buf.Reset()
	return err
}

func (w *lineBuffer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.flush(); err != nil {
		return err
	}
	return w.to.Close()
}
