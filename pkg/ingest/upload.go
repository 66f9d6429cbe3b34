package ingest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// Upload sends one part and returns the receiver's answer. A part that is a whole report is sent as it is stored; one of
// several is wrapped in a chunk request. A nil error means that the receiver has stored the part; Result.Error is set if it
// accepted only some of the items. Upload may be called again with the same part.
func (c *Client) Upload(ctx context.Context, pt *part.Part) (*part.Result, error) {
	if err := checkPart(pt); err != nil {
		return nil, &Error{Op: "upload", Code: CodeInvalidPart, Err: err}
	}
	rq := c.partCall(pt)
	body, _, err := c.do(ctx, rq)
	if err != nil {
		return nil, err
	}
	a, err := parseAnswer(body)
	if err != nil {
		return nil, &Error{Op: rq.method + " " + rq.path, Status: http.StatusOK, Code: CodeBadAnswer, Err: err}
	}
	return resultOf(a, pt, rq.size), nil
}

func checkPart(p *part.Part) error {
	if p == nil {
		return errors.New("part is nil")
	}
	if p.Index < 0 || p.Index >= p.Total {
		return fmt.Errorf("part %s: index %d is outside its report of %d parts", p.Key, p.Index, p.Total)
	}
	if err := wire.CheckKey(p.Key); err != nil {
		return err
	}
	return report.CheckID("report_id", p.ReportID)
}

func (c *Client) partCall(p *part.Part) call {
	rq := call{method: http.MethodPost, header: http.Header{}}
	rq.header.Set(wire.HeaderKey, p.Key)
	rq.header.Set(wire.HeaderReport, p.ReportID)
	if p.JobID != "" {
		rq.header.Set(wire.HeaderJob, report.CleanID(p.JobID))
	}
	if !p.SubmittedAt.IsZero() {
		rq.header.Set(wire.HeaderSubmit, p.SubmittedAt.UTC().Format(wire.SubmitFormat))
	}
	if p.Total == 1 {
		rq.path, rq.size = c.cfg.Paths.Ingest, int64(len(p.Data))
		rq.open = func() io.Reader { return bytes.NewReader(p.Data) }
		if p.Encoding != codec.None && p.Encoding != "" {
			rq.header.Set("Content-Encoding", p.Encoding)
		}
		return rq
	}
	rq.path = c.cfg.Paths.Chunk
	head, tail := chunkFrame(p)
	rq.size = int64(len(head) + base64.StdEncoding.EncodedLen(len(p.Data)) + len(tail))
	rq.open = func() io.Reader {
		return io.MultiReader(strings.NewReader(head), &base64Reader{data: p.Data}, strings.NewReader(tail))
	}
	return rq
}

// chunkFrame returns the JSON before and behind the base64 data of a chunk request. Its strings need no escaping: the ID
// was checked, and the encoding is quoted.
func chunkFrame(p *part.Part) (head, tail string) {
	encoding := p.Encoding
	if encoding == "" {
		encoding = codec.None
	}
	head = fmt.Sprintf(`{"report_id":%q,"chunk_index":%d,"total_chunks":%d,"compression":%q,"is_final":%t,"data":"`,
		p.ReportID, p.Index, p.Total, encoding, p.Final)
	return head, `"}`
}

// base64Reader encodes data as base64 while it is read, without a copy of it.
type base64Reader struct {
	data []byte
	rest []byte // encoded bytes that did not fit
	buf  [4]byte
}

func (b *base64Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(b.rest) > 0 {
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	if len(b.data) == 0 {
		return 0, io.EOF
	}
	if len(p) < 4 {
		n := min(3, len(b.data))
		base64.StdEncoding.Encode(b.buf[:], b.data[:n])
		b.data, b.rest = b.data[n:], b.buf[:]
		return b.Read(p)
	}
	n := min(len(p)/4*3, len(b.data))
	base64.StdEncoding.Encode(p, b.data[:n])
	b.data = b.data[n:]
	return base64.StdEncoding.EncodedLen(n), nil
}

// parseAnswer accepts only an object with members of the protocol. The page of a proxy must not pass for a stored part.
func parseAnswer(body []byte) (*wire.Answer, error) {
	var known map[string]json.RawMessage
	if err := json.Unmarshal(body, &known); err != nil {
		return nil, fmt.Errorf("answer is not a JSON object: %w", err)
	}
	if known["findings_created"] == nil && known["scan_id"] == nil && known["chunk_id"] == nil && known["status"] == nil {
		return nil, errors.New("answer has none of findings_created, scan_id, chunk_id and status")
	}
	var a wire.Answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return &a, nil
}

func resultOf(a *wire.Answer, p *part.Part, sent int64) *part.Result {
	r := &part.Result{
		ID: a.ScanID, ReportID: p.ReportID, Status: a.Status, Duplicate: a.Duplicate,
		FindingsCreated: a.FindingsCreated, FindingsUpdated: a.FindingsUpdated, FindingsSkipped: a.FindingsSkipped,
		AssetsCreated: a.AssetsCreated, AssetsUpdated: a.AssetsUpdated,
		BytesSent: sent, SubmittedAt: p.SubmittedAt, CompletedAt: time.Now(),
	}
	if r.ID == "" {
		r.ID = a.ChunkID
	}
	if !p.SubmittedAt.IsZero() {
		r.DurationMs = r.CompletedAt.Sub(p.SubmittedAt).Milliseconds()
	}
	if len(a.Errors) > 0 {
		r.Error = fmt.Sprintf("%d items not accepted, first: %s", len(a.Errors), wire.Clip(fmt.Sprint(a.Errors[0]), wire.MaxMessage))
	}
	return r
}
