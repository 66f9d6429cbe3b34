package pipeline

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

func TestOutageMakesNoDeadLetterWithoutRetries(t *testing.T) {
	for _, retries := range []int{-1, 1} {
		for _, reports := range []int{1, 2, 3, 20} {
			synctest.Test(t, func(t *testing.T) {
				p := start(t, PipelineConfig{Spool: store(t, chunk.Config{MaxRetries: retries})}, &answers{script: func(*part.Part) error {
					if time.Since(epoch)%(2*time.Hour) < time.Hour { // the server is down every second hour
						return &statusErr{unavailable: true}
					}
					return nil
				}})
				for round := range 3 {
					for i := range reports {
						mustSubmit(t, p, fmt.Sprintf("r%d-%d", round, i))
					}
					time.Sleep(2 * time.Hour)
				}
				if s := p.GetStats(); s.Failed+s.PartsDead != 0 || s.Completed != int64(3*reports) {
					t.Errorf("MaxRetries %d, %d reports at a time: GetStats() = %+v, want all completed", retries, reports, s)
				}
				stop(t, p)
			})
		}
	}
}

// A part that always makes the receiver fail is recognized by the answers for other parts.
func TestPoisonPartEndsAsADeadLetterAndDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Workers: 1, Spool: store(t, chunk.Config{MaxRetries: 2})}
		e := newEnds(&cfg)
		up := &answers{script: func(p *part.Part) error {
			if p.ReportID == "poison" {
				return &statusErr{unavailable: true}
			}
			return nil
		}}
		p := start(t, cfg, up)
		mustSubmit(t, p, "poison")
		time.Sleep(time.Hour) // alone it looks like an outage, and uploads pause
		if s := p.GetStats(); s.Failed != 0 || s.PausedUntil == nil {
			t.Fatalf("%+v", s)
		}
		for i := range 20 {
			mustSubmit(t, p, fmt.Sprint("good", i))
			synctest.Wait() // without the passing of time
			if completed, _ := e.counts(); completed != i+1 {
				t.Fatalf("report %d is not uploaded at once, want the poison part not to delay it", i)
			}
			time.Sleep(10 * time.Minute)
		}
		if e.failed["poison"] != 1 {
			t.Fatalf("after %d attempts the poison part is not a dead letter", len(up.ids())-20)
		}
		stop(t, p)
		e.once(t)
	})
}

// A timeout is not the fault of the part, like a refused connection, unless the receiver answers for others.
func TestHungServerCostsADurablePartNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{until: time.Hour}
		p := start(t, PipelineConfig{UploadTimeout: time.Minute, Spool: store(t, chunk.Config{MaxRetries: -1})}, h)
		mustSubmit(t, p, "a", "b", "c", "d")
		flush(t, p)
		if s := p.GetStats(); s.Completed != 4 || s.Retries == 0 || h.calls.Load() > 80 {
			t.Errorf("%d uploads, GetStats() = %+v; want several and no dead letter", h.calls.Load(), s)
		}
		stop(t, p)
	})
}

func TestOneProbeAtATimeWhileTheServerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{until: 10 * time.Hour}
		p := start(t, PipelineConfig{Workers: 8, UploadTimeout: time.Minute, Spool: store(t, chunk.Config{})}, h)
		for i := range 20 {
			mustSubmit(t, p, fmt.Sprint("r", i))
		}
		time.Sleep(time.Hour)
		h.most.Store(0)
		time.Sleep(8 * time.Hour)
		if n := h.most.Load(); n != 1 {
			t.Errorf("%d uploads at a time during a pause, want one probe", n)
		}
		flush(t, p)
		if s := p.GetStats(); s.Completed != 20 {
			t.Errorf("%+v", s)
		}
		stop(t, p)
	})
}

// The pass of an upload that began before the gate closed does not end the probe.
func TestProbeIsEndedByItsOwnPassOnly(t *testing.T) {
	g := gate{maxPause: time.Hour}
	now := time.Now()
	for i := range gateFailures {
		g.failed(now, 0, setback{key: fmt.Sprint(i)})
	}
	now = now.Add(time.Minute)
	probe, ok, _ := g.enter(now)
	if !ok || probe == 0 {
		t.Fatal("enter after the pause let no probe through")
	}
	for name, late := range map[string]func(){
		"leave": func() { g.leave(0) }, "failed": func() { g.failed(now, 0, setback{key: "late"}) }, "another probe's": func() { g.leave(probe + 1) },
	} {
		late()
		if _, ok, _ := g.enter(now); ok {
			t.Errorf("%s of another upload let a second probe through", name)
		}
	}
	if !g.leave(probe) {
		t.Error("leave = false, want true: a worker was refused because of the probe")
	}
	if _, ok, _ := g.enter(now); !ok {
		t.Error("enter after the first probe has left let no probe through")
	}
}
