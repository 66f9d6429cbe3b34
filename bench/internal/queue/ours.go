package queue

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/rediverio/sdk/bench/internal/sample"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

type ours struct {
	*chunk.Manager
	report *report.Report
	n      atomic.Int64
}

func openOurs(dir string, p sample.Payload) (Queue, error) {
	cfg := chunk.DefaultConfig()
	cfg.DatabasePath = filepath.Join(dir, "chunks.db")
	cfg.MaxStorageMB = -1
	cfg.UploadDelayMs = -1
	cfg.MaxConcurrentUploads = 1024
	m, err := chunk.NewManager(cfg)
	if err != nil {
		return nil, err
	}
	return &ours{Manager: m, report: p.Report}, nil
}

func (o *ours) Put(ctx context.Context) error {
	r := *o.report
	r.Metadata.ID = fmt.Sprintf("report-%d", o.n.Add(1))
	_, err := o.Manager.Put(ctx, &r, part.Envelope{})
	return err
}

func (o *ours) Consume(ctx context.Context, consumers int) (int64, error) {
	return pull(ctx, consumers, func(ctx context.Context) (func() error, error) {
		pt, _, err := o.Next(ctx)
		if pt == nil || err != nil {
			return nil, err
		}
		return func() error {
			_, err := o.Settle(ctx, pt, part.Outcome{Kind: part.Uploaded})
			return err
		}, nil
	})
}
