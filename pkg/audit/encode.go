package audit

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// encoder builds one line. The reserved keys are written here and nowhere else: whatever a caller puts into
// Details stays inside the details object, so no event can forge another's fields.
type encoder struct {
	buf       []byte
	truncated bool // something was left out
	left      int  // bytes of what was left out, as far as it was looked at

	clean redactor
	key   string // what value stands under, for clean

	correlation string // see WithCorrelationID

	detailsFrom, detailsTo int // where the details are in buf
}

// detailsBudget is the size of a line at which details stop: what is left holds one more entry at its worst (every
// byte escaped to six) and the end of the line.
const detailsBudget = MaxLineBytes - 6*(MaxIDBytes+MaxStringBytes) - 1024

// redactor is LoggerConfig.Redactor behind the log's own redaction; nil is fine.
type redactor func(key, value string) string

func (r redactor) redact(key, s string) (out string) {
	s = redact.Text(s)
	if r == nil || s == "" {
		return s
	}
	defer func() {
		if recover() != nil {
			out = redactorPanicked
		}
	}()
	return r(key, s)
}

// redactorPanicked stands for a string that LoggerConfig.Redactor panicked on: it may be the secret.
const redactorPanicked = "[redactor panicked]"

var encoders = sync.Pool{New: func() any { return &encoder{buf: make([]byte, 0, 1024)} }}

func newEncoder(clean redactor) *encoder {
	enc := encoders.Get().(*encoder)
	*enc = encoder{buf: enc.buf[:0], clean: clean}
	return enc
}

func (enc *encoder) free() { encoders.Put(enc) }

// event writes e but for its end: endLine adds the sequence number, which is known only later.
func (enc *encoder) event(e *Event) {
	enc.buf = append(enc.buf, `{"timestamp":"`...)
	enc.buf = e.Timestamp.UTC().AppendFormat(enc.buf, time.RFC3339Nano)
	enc.buf = append(enc.buf, '"')
	enc.field("type", string(e.Type), MaxIDBytes)
	enc.field("severity", string(e.Severity), MaxIDBytes)
	enc.optional("agent_id", e.AgentID, MaxIDBytes)
	enc.optional("tenant_id", e.TenantID, MaxIDBytes)
	enc.optional("job_id", e.JobID, MaxIDBytes)
	enc.optional("report_id", e.ReportID, MaxIDBytes)
	enc.optional("correlation_id", enc.correlation, MaxIDBytes)
	enc.field("message", e.Message, MaxStringBytes)
	enc.optional("error", e.Error, MaxStringBytes)
	if e.Duration != 0 {
		enc.buf = append(enc.buf, `,"duration_ms":`...)
		enc.buf = strconv.AppendFloat(enc.buf, float64(e.Duration)/float64(time.Millisecond), 'f', -1, 64)
	}
	if len(e.Details) > 0 {
		enc.buf = append(enc.buf, `,"details":`...)
		enc.detailsFrom = len(enc.buf)
		enc.safeDetails(e.Details)
		enc.detailsTo = len(enc.buf)
	}
	if enc.truncated {
		enc.buf = append(enc.buf, `,"truncated":true,"orig_bytes":`...)
		enc.buf = strconv.AppendInt(enc.buf, int64(len(enc.buf)+enc.left), 10)
	}
}

// details is the JSON of the details, empty when there are none.
func (enc *encoder) details() []byte { return enc.buf[enc.detailsFrom:enc.detailsTo] }

func (enc *encoder) optional(key, s string, limit int) {
	if s != "" {
		enc.field(key, s, limit)
	}
}

func (enc *encoder) field(key, s string, limit int) {
	enc.buf = append(enc.buf, ',', '"')
	enc.buf = append(enc.buf, key...)
	enc.buf = append(enc.buf, '"', ':')
	enc.key = key
	enc.text(s, limit)
}

// text writes s without its secrets. It looks for them in a little more than it writes, so that the cut does not
// hide what makes a secret one.
func (enc *encoder) text(s string, limit int) {
	size := len(s)
	s, cut := logfile.Clip(s, 2*limit)
	s, cut2 := logfile.Clip(enc.clean.redact(enc.key, s), limit)
	if cut || cut2 {
		enc.truncated = true
		enc.left += max(0, size-len(s))
	}
	enc.buf = jsonx.AppendPrintable(enc.buf, s)
}

// numberLine appends tail and the line's number. What is missing then, its seal, is the writer's work.
func numberLine(dst []byte, tail string, seq uint64) []byte {
	dst = append(append(dst, tail...), logfile.SeqOpen...)
	return strconv.AppendUint(dst, seq, 10)
}

// endLineMax is the most that a line grows after event wrote it.
const endLineMax = 64 + len(logfile.SeqOpen) + 20 + logfile.SealBytes

// number writes f, or its name where JSON has none for it.
func (enc *encoder) number(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		enc.buf = append(enc.buf, '"')
		enc.buf = strconv.AppendFloat(enc.buf, f, 'g', -1, 64)
		enc.buf = append(enc.buf, '"')
		return
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e' // as encoding/json does: 1e300 is not 300 digits
	}
	enc.buf = strconv.AppendFloat(enc.buf, f, format, -1, 64)
}
