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

// brokenStore is a spool whose disk is full: parts come out of it, outcomes do not go in.
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

func TestFullDiskDoesNotHavePartsSentAgainAndAgain(t *testing.T) {
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
			t.Errorf("sent %d times in 5 minutes by two workers that rest 10 s", n)
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
