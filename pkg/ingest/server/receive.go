package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// ingest takes a whole report.
func (h *handler) ingest(w http.ResponseWriter, r *http.Request, t *Tenant) {
	body, held, err := h.body(w, r, t, h.limits.MaxCompressedBytes)
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	defer held.release()
	in := &incoming{key: r.Header.Get(wire.HeaderKey), reportID: r.Header.Get(wire.HeaderReport), total: 1,
		jobID: jobID(r), submitted: submitted(r, h.store.now())}
	h.receive(w, r, t, in, held, r.Header.Get("Content-Encoding"), body)
}

// chunk takes one of several parts of a report.
func (h *handler) chunk(w http.ResponseWriter, r *http.Request, t *Tenant) {
	body, held, err := h.body(w, r, t, h.limits.maxChunkBody())
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	defer held.release()
	rq, err := readChunk(r.Header.Get("Content-Encoding"), body, h.limits)
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	in := &incoming{key: r.Header.Get(wire.HeaderKey), reportID: rq.ReportID, idx: *rq.ChunkIndex, total: *rq.TotalChunks,
		chunk: true, jobID: jobID(r), submitted: submitted(r, h.store.now())}
	h.receive(w, r, t, in, held, rq.Compression, rq.Data)
}

func jobID(r *http.Request) string { return wire.Clip(r.Header.Get(wire.HeaderJob), report.MaxIDLen) }

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
		return nil, &badRequest{fmt.Errorf("chunk request: %w", err)}
	}
	if err := report.CheckID("report_id", rq.ReportID); err != nil {
		return nil, err
	}
	switch {
	case rq.ChunkIndex == nil || rq.TotalChunks == nil:
		return nil, &badRequest{errors.New("chunk_index and total_chunks must both be set")}
	case *rq.TotalChunks > lim.MaxParts:
		return nil, &limitError{"total_chunks", lim.MaxParts, *rq.TotalChunks}
	case *rq.ChunkIndex < 0 || *rq.ChunkIndex >= *rq.TotalChunks:
		return nil, &badRequest{fmt.Errorf("chunk_index %d is outside a report of %d chunks", *rq.ChunkIndex, *rq.TotalChunks)}
	case len(rq.Data) == 0:
		return nil, &badRequest{errors.New("data is empty")}
	case int64(len(rq.Data)) > lim.MaxCompressedBytes:
		return nil, &sizeError{lim.MaxCompressedBytes}
	}
	return &rq, nil
}

// receive decodes and stores a part and answers.
func (h *handler) receive(w http.ResponseWriter, r *http.Request, t *Tenant, in *incoming, held *room, encoding string, data []byte) {
	a, err := h.accept(r.Context(), t, in, held, encoding, data)
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	status := http.StatusCreated
	if a.Duplicate {
		status = http.StatusOK
	} else if a.Complete {
		h.sink.Record(event.Event{Type: event.UploadCompleted, TenantID: t.name, JobID: in.jobID, ReportID: a.ReportID,
			AgentID: wire.Clip(r.Header.Get(wire.HeaderAgent), 256), Message: "report complete", Details: map[string]any{
				"parts": in.total, "findings_created": a.FindingsCreated, "findings_updated": a.FindingsUpdated}})
	}
	reply(w, status, a)
}

// accept checks, decodes and stores a part.
func (h *handler) accept(ctx context.Context, t *Tenant, in *incoming, held *room, encoding string, data []byte) (*wire.Answer, error) {
	if in.key != "" {
		if err := wire.CheckKey(in.key); err != nil {
			return nil, &badRequest{err}
		}
	}
	in.sha, in.size = sha256.Sum256(data), int64(len(data))
	if in.key != "" { // a repeat costs no decoding
		if a, err := t.repeated(ctx, in); err != nil || a != nil {
			if err == nil {
				err = t.countRepeat()
			}
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
	// What waits for the commit holds the decoded part instead of the body. Where there is no room for it, it keeps
	// the decoder, so that not many can wait so.
	if held.resize(max(held.bytes, in.doc.rawBytes)) {
		done()
	}
	if err := in.settleID(); err != nil {
		return nil, err
	}
	return t.put(in)
}

// asBad keeps what says which bound was broken; any other error of decoding is the sender's.
func asBad(err error) error {
	var bound *codec.LimitError
	var many *limitError
	if errors.As(err, &bound) || errors.As(err, &many) {
		return err
	}
	return &badRequest{err}
}

// settleID decides what report the part belongs to: what its request says must be what its content says.
func (in *incoming) settleID() error {
	doc := in.doc
	switch {
	case in.reportID == "" && doc.ReportID == "":
		in.reportID = fmt.Sprintf("report-%x", in.sha[:16])
	case in.reportID == "":
		in.reportID = doc.ReportID
	case doc.ReportID != "" && doc.ReportID != in.reportID:
		return &badRequest{fmt.Errorf("report_id %q differs from %q in the data", wire.Clip(in.reportID, 64), wire.Clip(doc.ReportID, 64))}
	}
	if in.chunk && doc.ChunkIndex != nil && *doc.ChunkIndex != in.idx {
		return &badRequest{fmt.Errorf("chunk_index %d differs from %d in the data", in.idx, *doc.ChunkIndex)}
	}
	return report.CheckID("report_id", in.reportID)
}
