package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// brokenStore is a Spool on a full disk: parts can be read and outcomes cannot be written.
type brokenStore struct {
	*memory
	settled atomic.Int64
	mended  atomic.Bool
}

func (s *brokenStore) Settle(ctx context.Context, p *part.Part, o part.Outcome) (part.Progress, error) {
	s.settled.Add(1)
	if s.mended.Load() {
		return s.memory.Settle(ctx, p, o)
	}
	if _, err := s.memory.Settle(ctx, p, part.Outcome{Kind: part.Released}); err != nil {
		return part.Progress{}, err
	}
	return part.Progress{}, errors.New("database or disk is full")
}

func TestPartsAreNotSentWithoutEndOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{memory: newMemory(*DefaultPipelineConfig())}
		up := &answers{}
		p := NewPipeline(&PipelineConfig{Spool: store, Workers: 2, RetryDelay: 10 * time.Second}, up)
		mustSubmit(t, p, "r")
		if err := p.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if n := store.settled.Load(); n < 2 || n > 2*5*60/10+2 {
			t.Errorf("%d uploads in 5 minutes by two workers that rest for 10 s, want about 60", n)
		}
		store.mended.Store(true)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := p.GetStats(); s.Completed != 1 {
			t.Fatalf("%+v", s)
		}
		stop(t, p)
	})
}
