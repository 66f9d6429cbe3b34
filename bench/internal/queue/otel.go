package queue

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/rediverio/sdk/bench/internal/sample"
)

// otel is a real exporter with a persistent sending queue. The payload is the body of one log record.
type otel struct {
	exporter exporter.Logs
	storage  component.Component
	logs     plog.Logs

	put, got atomic.Int64
	gate     chan struct{} // closed when consuming may begin; its eight consumers block on it
	opened   sync.Once
	first    chan struct{} // closed when the first payload has been consumed
	drained  chan struct{} // closed when all payloads have been consumed
}

// host gives the exporter its storage extension.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// otelConsumers is the number of consumers of the exporter, equal to the number that Consume is called with.
const otelConsumers = 8

func openOTel(fsync bool) func(string, sample.Payload) (Queue, error) {
	return func(dir string, p sample.Payload) (Queue, error) {
		q := &otel{gate: make(chan struct{}), first: make(chan struct{}), drained: make(chan struct{}), logs: plog.NewLogs()}
		q.logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetEmptyBytes().FromRaw(p.Bytes)
		q.logs.MarkReadOnly()

		ctx := context.Background()
		telemetry := componenttest.NewNopTelemetrySettings()
		storageID := component.MustNewID("file_storage")
		factory := filestorage.NewFactory()
		cfg := factory.CreateDefaultConfig().(*filestorage.Config)
		cfg.Directory, cfg.Compaction.Directory, cfg.FSync = dir, dir, fsync
		err := cfg.Validate()
		if err != nil {
			return nil, err
		}
		q.storage, err = factory.Create(ctx, extension.Settings{ID: storageID, TelemetrySettings: telemetry}, cfg)
		if err != nil {
			return nil, err
		}

		queue := exporterhelper.NewDefaultQueueConfig()
		queue.StorageID, queue.NumConsumers, queue.QueueSize = &storageID, otelConsumers, math.MaxInt32
		queue.Batch = configoptional.None[exporterhelper.BatchConfig]()
		q.exporter, err = exporterhelper.NewLogs(ctx, exporter.Settings{ID: component.MustNewID("bench"), TelemetrySettings: telemetry}, &struct{}{}, q.push,
			exporterhelper.WithQueue(configoptional.Some(queue)), exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{}))
		if err != nil {
			return nil, err
		}
		h := host{storageID: q.storage}
		return q, errors.Join(q.storage.Start(ctx, h), q.exporter.Start(ctx, h))
	}
}

// push receives each payload that the exporter takes from its queue. The exporter acknowledges it when push returns.
func (q *otel) push(context.Context, plog.Logs) error {
	<-q.gate
	n := q.got.Add(1)
	if n == 1 {
		close(q.first)
	}
	if n == q.put.Load() {
		close(q.drained)
	}
	return nil
}

func (q *otel) Put(ctx context.Context) error {
	if err := q.exporter.ConsumeLogs(ctx, q.logs); err != nil {
		return err
	}
	q.put.Add(1)
	return nil
}

func (q *otel) Consume(ctx context.Context, _ int) (int64, error) {
	q.opened.Do(func() { close(q.gate) })
	select {
	case <-q.drained:
	case <-ctx.Done():
	}
	<-q.first
	return q.got.Load(), nil
}

func (q *otel) Close() error {
	q.opened.Do(func() { close(q.gate) })
	ctx := context.Background()
	return errors.Join(q.exporter.Shutdown(ctx), q.storage.Shutdown(ctx))
}
