package crashtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/pipeline"
)

// submitter hands in reports of its own, one after the other, and at times takes its word back. No two submitters use
// the same ID but for the hot one, so the ledger receives the events of an ID in order.
type submitter struct {
	v   *victim
	g   int
	rng *rand.Rand
}

func newSubmitter(v *victim, g int) *submitter {
	return &submitter{v, g, rng(v.Seed, fmt.Sprint("submitter ", g))}
}

const submissions = 40 // reports of one submitter in one life

func (s *submitter) run() {
	for i := range submissions {
		select {
		case <-s.v.stop:
		default:
			time.Sleep(time.Duration(s.rng.IntN(3)) * time.Millisecond) // uploads are to happen in between
		}
		if errors.Is(s.submit(s.choose(i)), pipeline.ErrStopped) {
			return
		}
		if s.rng.IntN(12) == 0 {
			n := s.own(s.v.Number, s.rng.IntN(i+1))
			s.recant(n)
			if s.rng.IntN(2) == 0 { // after all
				if errors.Is(s.submit(n, 0), pipeline.ErrStopped) {
					return
				}
			}
		}
	}
}

// own returns the name of this submitter's report i of a life.
func (s *submitter) own(life, i int) name {
	r := rng(uint64(i), "tenant") // the same whenever the name is made
	return name{slices.Sorted(maps.Keys(tenants))[r.IntN(len(tenants))], fmt.Sprintf("r%d-%d-%d", life, s.g, i)}
}

// choose returns a new report, mostly; else one that was submitted before, in this life or an earlier one, perhaps in
// another version, or the one that all submitters share.
func (s *submitter) choose(i int) (name, int) {
	switch s.rng.IntN(8) {
	case 0:
		return s.own(s.v.Number, s.rng.IntN(i+1)), s.rng.IntN(maxVersions)
	case 1:
		return s.own(s.rng.IntN(s.v.Number+1), s.rng.IntN(submissions)), s.rng.IntN(maxVersions)
	case 2:
		return name{"alpha", "hot"}, s.rng.IntN(maxVersions)
	}
	return s.own(s.v.Number, i), 0
}

func (s *submitter) submit(n name, version int) error {
	var err error
	switch s.rng.IntN(3) {
	case 0:
		err = s.stream(n, version)
	case 1:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.rng.IntN(20))*time.Millisecond)
		_, err = s.v.p.SubmitContext(ctx, n.report(version), s.options(n)...)
		cancel()
	default:
		_, err = s.v.p.Submit(n.report(version), s.options(n)...)
	}
	switch {
	case err == nil:
		s.v.accepted.Add(1)
		s.v.fate.reached("accepted, not told")
		tell("accepted %q %q %d", n.tenant, n.id, version)
	case errors.Is(err, chunk.ErrStorageFull):
		tell("full")
	case !errors.Is(err, pipeline.ErrStopped) && !errors.Is(err, context.DeadlineExceeded):
		tell("violation submit %v: %v", n, err)
	}
	return err
}

func (s *submitter) options(n name) []pipeline.SubmitOption {
	return []pipeline.SubmitOption{pipeline.WithTenantID(n.tenant), pipeline.WithPriority(s.rng.IntN(3)), pipeline.WithJobID("job")}
}

// stream submits a report finding by finding. Some are aborted half-way.
func (s *submitter) stream(n name, version int) error {
	w, err := s.v.p.NewWriter(context.Background(), n.head(), s.options(n)...)
	if err != nil {
		return err
	}
	err = w.AddAsset(n.asset())
	findings, noise := n.shape(version)
	giveUp := s.rng.IntN(8) == 0
	for i := range findings {
		if err != nil {
			break
		}
		if i == findings*3/4 {
			s.v.fate.reached("most of a report")
			if noise == bigNoise {
				s.v.fate.reached("parts on disk, report not whole")
			}
			if giveUp {
				err = context.DeadlineExceeded
				break
			}
		}
		err = w.AddFinding(n.finding(version, i, noise))
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	_, err = w.Close()
	return err
}

// recant calls an operator's method for a report that is no longer wanted, after it has told the ledger.
func (s *submitter) recant(n name) {
	ctx := context.Background()
	store := s.v.m.Tenant(n.tenant)
	tell("recanted %q %q", n.tenant, n.id)
	s.v.fate.reached("operator's word given, not asked")
	var err error
	switch s.rng.IntN(3) {
	case 0:
		_, err = store.Drop(ctx, n.id)
	case 1:
		_, err = store.DeleteReportChunks(ctx, n.id)
	default:
		var parts []chunk.PartInfo
		parts, err = store.Parts(ctx, n.id)
		for _, p := range parts {
			if err == nil && (p.State == "dead" || s.rng.IntN(4) == 0) {
				err = store.DeleteChunkData(ctx, p.ChunkID)
			}
		}
	}
	if err != nil && !errors.Is(err, chunk.ErrNotFound) && !errors.Is(err, chunk.ErrNotUploaded) {
		tell("violation recant %v: %v", n, err)
	}
	s.v.fate.reached("operator's word done, not told")
}

// clean does what an operator does to the store as a whole, until done.
func (v *victim) clean(done chan struct{}) {
	r := rng(v.Seed, "cleaner")
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Duration(1+r.IntN(30)) * time.Millisecond):
		}
		var err error
		ctx := context.Background()
		switch r.IntN(4) {
		case 0:
			t := slices.Sorted(maps.Keys(tenants))[r.IntN(len(tenants))]
			_, err = v.m.Tenant(t).CleanupToSize(ctx, r.Int64N(8<<20))
		case 1:
			_, err = v.retryDead(ctx)
		case 2:
			if v.World.Keys >= 0 && v.Number >= v.World.Keys {
				_, err = v.m.Rekey(ctx)
			}
		default:
			_, err = v.m.Stats(ctx)
		}
		if err != nil && !errors.Is(err, chunk.ErrStorageFull) { // which is for what writes, as a new key does
			tell("violation cleaner: %v", err)
		}
	}
}

// retryDead makes all dead letters due again.
func (v *victim) retryDead(ctx context.Context) (retried int, err error) {
	for t := range tenants {
		failed, err := v.m.Tenant(t).Reports(ctx, 1<<20, chunk.StateFailed, chunk.StatePending)
		if err != nil {
			return retried, err
		}
		for _, r := range failed {
			if r.Dead == 0 {
				continue
			}
			n, err := v.m.Tenant(t).RetryDead(ctx, r.ReportID)
			if err != nil && !errors.Is(err, chunk.ErrNotFound) { // dropped meanwhile
				return retried, err
			}
			retried += n
		}
	}
	return retried, nil
}
