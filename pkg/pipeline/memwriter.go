package pipeline

import (
	"context"
	"errors"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// NewWriter implements Streamer: it collects the parts of a report in memory and queues them when it is closed. All open
// writers and the queue share MaxQueueBytes.
func (m *memory) NewWriter(_ context.Context, r *report.Report, env part.Envelope) (part.Writer, error) {
	w := &memoryWriter{m: m, env: env}
	var err error
	w.Splitter, err = part.NewSplitter(identified(r), m.split, w.take)
	return w, err
}

type memoryWriter struct {
	*part.Splitter
	m     *memory
	env   part.Envelope
	parts []*part.Part
	bytes int64
	ended bool
}

func (w *memoryWriter) take(p *part.Part) error {
	n := int64(len(p.Data))
	if err := w.m.write(n); err != nil {
		return err
	}
	w.bytes += n
	w.parts = append(w.parts, p)
	return nil
}

// Close implements part.Writer.
func (w *memoryWriter) Close() (part.Summary, error) {
	if w.ended {
		return part.Summary{}, errors.New("report writer is closed")
	}
	sum, err := w.Splitter.Close()
	w.release()
	if err != nil {
		return sum, err
	}
	part.Seal(w.parts, sum.Content)
	head := *w.Head() // a copy, because a pointer into the splitter would keep all its buffers
	return sum, w.m.accept(newDelivery(&head, w.env), w.parts, w.bytes)
}

// Abort implements part.Writer.
func (w *memoryWriter) Abort() error {
	if !w.ended {
		w.Splitter.Abort()
		w.release()
		w.parts = nil
	}
	return nil
}

// release ends the reservation: from now on the bytes are counted in the queue, or not at all.
func (w *memoryWriter) release() {
	w.ended = true
	_ = w.m.write(-w.bytes) // releasing never fails
}
