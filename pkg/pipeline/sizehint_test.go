package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestQueueCountsProperties(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	loop := map[string]any{}
	loop["a"], loop["b"] = loop, loop
	for name, fill := range map[string]func(r *report.Report){
		"report": func(r *report.Report) { r.Properties = report.Properties{"x": long} },
		"extra":  func(r *report.Report) { r.Extra = report.Extra{"x": []byte(`"` + long + `"`)} },
		"finding": func(r *report.Report) {
			r.Findings[0].Properties = report.Properties{"x": []any{map[string]any{long: 1}}}
		},
		"asset": func(r *report.Report) {
			r.Assets = []*report.Asset{{Properties: report.Properties{"x": []string{long}}}}
		},
		"contains itself": func(r *report.Report) { r.Properties = report.Properties{"x": loop} },
	} {
		p := NewPipeline(&PipelineConfig{MaxQueueBytes: 100_000}, &answers{})
		r := testReport("r", 1)
		fill(r)
		var full *QueueFullError
		if _, err := p.memory.Put(t.Context(), r, part.Envelope{}); !errors.As(err, &full) {
			t.Errorf("Put with 100 kB in %s = %v, want a QueueFullError", name, err)
		}
	}
}

// All open writers and the queue share MaxQueueBytes, and an aborted writer releases its share.
func TestOpenWritersShareMaxQueueBytes(t *testing.T) {
	p := NewPipeline(&PipelineConfig{MaxQueueBytes: 20_000, Split: part.SplitConfig{MinFindings: 2, MaxFindings: 2}}, &answers{})
	open := func() (writers []part.Writer) {
		for i := range 50 {
			w, err := p.NewWriter(t.Context(), testReport(fmt.Sprint("r", i), 0))
			if err != nil {
				t.Fatal(err)
			}
			writers = append(writers, w)
			for _, f := range testReport("r", 40).Findings {
				if err = w.AddFinding(f); err != nil {
					break
				}
			}
			var full *QueueFullError
			if errors.As(err, &full) {
				return writers
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Fatal("50 open writers hold more than MaxQueueBytes")
		return nil
	}
	first := open()
	for _, w := range first {
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
		_ = w.Abort() // releases nothing twice
	}
	if again := open(); len(again) != len(first) {
		t.Errorf("%d writers fit at first, and %d after those were aborted; want the same number", len(first), len(again))
	} else {
		for _, w := range again {
			if _, err := w.Close(); err != nil && !errors.Is(err, ErrQueueFull) {
				t.Error(err)
			}
			_ = w.Abort()
		}
	}
	if p.memory.open != 0 {
		t.Errorf("%d bytes are reserved for writers, want 0", p.memory.open)
	}
	_ = p.Stop(t.Context())
}
