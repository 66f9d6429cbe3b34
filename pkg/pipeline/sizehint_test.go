package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestQueueCountsPropertiesToo(t *testing.T) {
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
			t.Errorf("%s: 100 kB in properties are accepted: %v", name, err)
		}
	}
}

// All open writers and the queue have one budget, and what is given up is given back.
func TestOpenWritersShareTheBudgetOfTheQueue(t *testing.T) {
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
		t.Fatal("50 open writers have more than all of MaxQueueBytes")
		return nil
	}
	first := open()
	for _, w := range first {
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
		_ = w.Abort() // gives nothing back twice
	}
	if again := open(); len(again) != len(first) {
		t.Errorf("%d writers fit at first, %d after those were aborted", len(first), len(again))
	} else {
		for _, w := range again {
			if _, err := w.Close(); err != nil && !errors.Is(err, ErrQueueFull) {
				t.Error(err)
			}
			_ = w.Abort()
		}
	}
	if p.memory.open != 0 {
		t.Errorf("%d bytes are counted for writers, none is open", p.memory.open)
	}
	_ = p.Stop(t.Context())
}
