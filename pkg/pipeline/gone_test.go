package pipeline

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// emptied is a Spool whose reports are removed while they are uploaded.
type emptied struct{ *memory }

type goneError struct{}

func (goneError) Error() string  { return "not found" }
func (goneError) NotFound() bool { return true }

func (s emptied) Settle(ctx context.Context, p *part.Part, _ part.Outcome) (part.Progress, error) {
	if _, err := s.memory.Settle(ctx, p, part.Outcome{Kind: part.Uploaded}); err != nil {
		return part.Progress{}, err
	}
	return part.Progress{}, fmt.Errorf("settle part: %w", goneError{})
}

func TestReportRemovedDuringItsUploadIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &testkit.Recorder{}
		cfg := PipelineConfig{Spool: emptied{newMemory(*DefaultPipelineConfig())}, Workers: 1, RetryDelay: time.Hour, Sink: rec}
		p := start(t, cfg, &answers{})
		mustSubmit(t, p, "a", "b", "c")
		flush(t, p)
		s := p.GetStats()
		if time.Since(epoch) != 0 {
			t.Errorf("Flush took %v, want the worker not to rest", time.Since(epoch))
		}
		if n := len(rec.Events(event.AgentError)); n != 0 || s.LastError != "" {
			t.Errorf("%d agent_error events, LastError %q; want none", n, s.LastError)
		}
		if s.PartsGone != 3 || s.PartsUploaded != 0 || s.Attempts != 3 {
			t.Errorf("%+v", s)
		}
		stop(t, p)
	})
}
