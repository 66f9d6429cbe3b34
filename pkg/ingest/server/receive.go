package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// ingest accepts a whole report.
func (h *handler) ingest(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	body, held, err := h.body(w, r, t, h.limits.MaxCompressedBytes)
	if err != nil {
		return err
	}
	defer held.release()
	in := h.incoming(r)
	in.reportID, in.total = r.Header.Get(wire.HeaderReport), 1
	return h.receive(w, r, t, in, held, r.Header.Get("Content-Encoding"), body)
}

// chunk accepts one of several parts of a report.
func (h *handler) chunk(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	body, held, err := h.body(w, r, t, h.limits.maxChunkBody())
	if err != nil {
		return err
	}
	defer held.release()
	rq, err := readChunk(r.Header.Get("Content-Encoding"), body, h.limits)
	if err != nil {
		return err
	}
	in := h.incoming(r)
	in.reportID, in.idx, in.total, in.chunk = rq.ReportID, *rq.ChunkIndex, *rq.TotalChunks, true
	return h.receive(w, r, t, in, held, rq.Compression, rq.Data)
}

// incoming returns what the header of a request contains about a part.
func (h *handler) incoming(r *http.Request) *incoming {
	return &incoming{key: r.Header.Get(wire.HeaderKey), jobID: wire.Clip(r.Header.Get(wire.HeaderJob), report.MaxIDLen),
		submitted: submitted(r, h.store.now())}
}

// maxClockSkew is how far the clock of an agent may be ahead. The time of an agent that is farther ahead is ignored, since it
// would win over every later revision.
const maxClockSkew = 5 * time.Minute

// submitted returns when the agent accepted the report, in Unix milliseconds, or 0 if the time is missing or not usable.
func submitted(r *http.Request, now time.Time) int64 {
	at, err := time.Parse(time.RFC3339Nano, r.Header.Get(wire.HeaderSubmit))
	if err != nil || at.After(now.Add(maxClockSkew)) {
		return 0
	}
	return max(at.UnixMilli(), 0)
}

// readChunk decodes a chunk request and checks it against the limits.
func readChunk(encoding string, body []byte, lim Limits) (*wire.ChunkRequest, error) {
	bounds := lim.codec()
	bounds.MaxCompressed, bounds.MaxDecompressed = lim.maxChunkBody(), lim.maxChunkBody()
	if encoding != "" && encoding != codec.None && encoding != "identity" {
		var err error
		if body, err = codec.Decode(encoding, body, bounds); err != nil {
			return nil, asBad(err)
		}
	}
	var rq wire.ChunkRequest
	if err := json.Unmarshal(body, &rq); err != nil {
		return nil, badRequestf("chunk request: %w", err)
	}
	if err := report.CheckID("report_id", rq.ReportID); err != nil {
		return nil, err
	}
	switch {
	case rq.ChunkIndex == nil || rq.TotalChunks == nil:
		return nil, badRequestf("chunk_index and total_chunks must both be set")
	case *rq.TotalChunks > lim.MaxParts:
		return nil, &limitError{"total_chunks", lim.MaxParts, *rq.TotalChunks}
	case *rq.ChunkIndex < 0 || *rq.ChunkIndex >= *rq.TotalChunks:
		return nil, badRequestf("chunk_index %d is outside a report of %d chunks", *rq.ChunkIndex, *rq.TotalChunks)
	case len(rq.Data) == 0:
		return nil, badRequestf("data is empty")
	case int64(len(rq.Data)) > lim.MaxCompressedBytes:
		return nil, &limitError{"bytes of the chunk", int(lim.MaxCompressedBytes), len(rq.Data)}
	}
	return &rq, nil
}

// receive decodes and stores a part and answers the request.
func (h *handler) receive(w http.ResponseWriter, r *http.Request, t *Tenant, in *incoming, held *reservation, encoding string, data []byte) error {
	a, err := h.accept(r.Context(), t, in, held, encoding, data)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if a.Duplicate {
		status = http.StatusOK
	} else if a.Complete {
		h.sink.Record(event.Event{Type: event.UploadCompleted, TenantID: t.name, JobID: in.jobID, ReportID: a.ReportID,
			AgentID: agentOf(r), Message: "report is complete", Details: map[string]any{
				"parts": in.total, "findings_created": a.FindingsCreated, "findings_updated": a.FindingsUpdated}})
	}
	reply(w, status, a)
	return nil
}

// accept checks, decodes and stores a part.
func (h *handler) accept(ctx context.Context, t *Tenant, in *incoming, held *reservation, encoding string, data []byte) (*wire.Answer, error) {
	in.sha, in.size = sha256.Sum256(data), int64(len(data))
	if in.key != "" {
		if err := wire.CheckKey(in.key); err != nil {
			return nil, &badRequest{err}
		}
		a, err := t.resent(ctx, in)
		if err == nil && a != nil {
			err = t.countResent()
		}
		if err != nil || a != nil { // a resent part is not decoded
			return a, err
		}
	}
	done, err := h.admission.decoder(ctx, t.name)
	if err != nil {
		return nil, err
	}
	defer done()
	if in.doc, err = readDocument(encoding, data, h.limits); err != nil {
		return nil, asBad(err)
	}
	// While the request waits for the commit it holds the decoded part instead of the body. If there is no room for that it
	// keeps the decoder, which bounds the number of such requests.
	if held.resize(max(held.bytes, in.doc.rawBytes)) {
		done()
	}
	if err := in.resolveID(); err != nil {
		return nil, err
	}
	return t.put(in)
}

// resolveID determines the report that the part belongs to. The request and the content must agree.
func (in *incoming) resolveID() error {
	doc := in.doc
	switch {
	case in.reportID == "" && doc.ReportID == "":
		in.reportID = fmt.Sprintf("report-%x", in.sha[:16])
	case in.reportID == "":
		in.reportID = doc.ReportID
	case doc.ReportID != "" && doc.ReportID != in.reportID:
		return badRequestf("report_id %q differs from %q in the data", wire.Clip(in.reportID, 64), wire.Clip(doc.ReportID, 64))
	}
	if in.chunk && doc.ChunkIndex != nil && *doc.ChunkIndex != in.idx {
		return badRequestf("chunk_index %d differs from %d in the data", in.idx, *doc.ChunkIndex)
	}
	return report.CheckID("report_id", in.reportID)
}
