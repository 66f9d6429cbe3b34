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

// encoder builds one line. Only the encoder writes the reserved keys: what a caller puts into Details remains inside the details
// object, so an event cannot forge fields.
type encoder struct {
	buf       []byte
	truncated bool // part of the event was left out
	left      int  // estimated size in bytes of the part that was left out

	clean redactor
	key   string // key of the value being encoded, for clean

	correlation string // see WithCorrelationID

	detailsFrom, detailsTo int // range of the details in buf
}

// detailsBudget is the size of a line from which no more details are added. The rest of the line holds one more entry, even if
// each of its bytes is escaped to six, and the end of the line.
const detailsBudget = MaxLineBytes - 6*(MaxIDBytes+MaxStringBytes) - 1024

// redactor is a LoggerConfig.Redactor, applied after the redaction of the log itself. It may be nil.
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

// redactorPanicked replaces a string for which LoggerConfig.Redactor panicked, because it may be a secret.
const redactorPanicked = "[redactor panicked]"

var encoders = sync.Pool{New: func() any { return &encoder{buf: make([]byte, 0, 1024)} }}

func newEncoder(clean redactor) *encoder {
	enc := encoders.Get().(*encoder)
	*enc = encoder{buf: enc.buf[:0], clean: clean}
	return enc
}

func (enc *encoder) free() { encoders.Put(enc) }

// event encodes e without the end of the line: numberLine adds the number, which is known only later.
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

// details returns the details in JSON; empty if there are none.
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

// text encodes s without its secrets. It searches twice as much text as it encodes, so that a secret is recognized even if the
// limit cuts it.
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

// numberLine appends tail and the number of the line. The writer adds the rest, the seal.
func numberLine(dst []byte, tail string, seq uint64) []byte {
	dst = append(append(dst, tail...), logfile.SeqOpen...)
	return strconv.AppendUint(dst, seq, 10)
}

// endLineMax is the maximum number of bytes by which a line grows after event encoded it.
const endLineMax = 64 + len(logfile.SeqOpen) + 20 + logfile.SealBytes

// number encodes f. JSON has no NaN and infinities; they become strings.
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
