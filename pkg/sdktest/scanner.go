package sdktest

import (
	"context"
	"fmt"
	"slices"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

// Scanner is an agent.Scanner that starts no process. Every scan returns one finding until Does is called.
type Scanner struct {
	mu       state
	next     []Behaviour // behaviours of the next scans
	usual    Behaviour   // behaviour of all other scans; nil: Finds(1)
	requests []scan.Request
	running  int
	most     int
	slots    int
	memory   int64
}

var (
	_ agent.Scanner = (*Scanner)(nil)
	_ agent.Coster  = (*Scanner)(nil)
)

// Behaviour is what a Scanner does in one scan. The report that it returns is given the ID that the agent expects. If it
// returns an error, no report is opened.
type Behaviour func(ctx context.Context, req scan.Request) (*report.Report, error)

// Does sets the behaviour of scans from now on.
func (s *Scanner) Does(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usual = b
}

// DoesNext sets the behaviour of the next scans, in the order in which they begin.
func (s *Scanner) DoesNext(b ...Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, b...)
}

// SetCost sets what Cost returns.
func (s *Scanner) SetCost(slots int, memoryBytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots, s.memory = slots, memoryBytes
}

// Cost implements agent.Coster. It returns zero unless SetCost was called.
func (s *Scanner) Cost(_, _ string) scan.Cost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return scan.Cost{Slots: s.slots, MemoryBytes: s.memory}
}

// Scan implements agent.Scanner. The timeout of the request is the deadline of the context of the Behaviour.
func (s *Scanner) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	behave := s.begin(req)
	defer s.end()
	if req.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, req.Timeout)
		defer cancel()
	}
	r, err := behave(ctx, req)
	if err != nil {
		return nil, err
	}
	return write(r, req, open)
}

func (s *Scanner) begin(req scan.Request) Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req)
	s.running++
	s.most = max(s.most, s.running)
	s.mu.changedLocked()
	if len(s.next) > 0 {
		b := s.next[0]
		s.next = s.next[1:]
		return b
	}
	if s.usual != nil {
		return s.usual
	}
	return Finds(1)
}

func (s *Scanner) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.mu.changedLocked()
}

// write writes the report item by item.
func write(r *report.Report, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	head := *r
	head.Metadata.ID = req.ReportID
	w, err := open(&head)
	if err != nil {
		return nil, fmt.Errorf("open report: %w", err)
	}
	defer w.Abort() // no effect after Close
	for _, a := range r.Assets {
		if err := w.AddAsset(a); err != nil {
			return nil, err
		}
	}
	for _, f := range r.Findings {
		if err := w.AddFinding(f); err != nil {
			return nil, err
		}
	}
	for _, d := range r.Dependencies {
		if err := w.AddDependency(d); err != nil {
			return nil, err
		}
	}
	sum, err := w.Close()
	if err != nil {
		return nil, fmt.Errorf("close report: %w", err)
	}
	res := &scan.Result{ReportID: w.Head().Metadata.ID, Summary: sum, Partial: r.Metadata.CoverageType == report.CoveragePartial}
	if r.Tool != nil {
		res.Tool = *r.Tool
	}
	return res, nil
}

// Requests returns the requests of the scans so far, in the order in which they began.
func (s *Scanner) Requests() []scan.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Running returns the number of scans that are running, and the highest number that ever was.
func (s *Scanner) Running() (now, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running, s.most
}

// WaitRunning waits until n scans run at once.
func (s *Scanner) WaitRunning(ctx context.Context, n int) error {
	return s.mu.wait(ctx, func() (bool, string) { return s.running >= n, fmt.Sprintf("%d of %d scans run", s.running, n) })
}

// WaitScans waits until n scans have begun.
func (s *Scanner) WaitScans(ctx context.Context, n int) error {
	return s.mu.wait(ctx, func() (bool, string) {
		return len(s.requests) >= n, fmt.Sprintf("%d of %d scans begun", len(s.requests), n)
	})
}
