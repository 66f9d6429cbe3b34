package agentcmd

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/term"
	"github.com/rediverio/sdk/pkg/agent"
)

const (
	progressAfter = 2 * time.Second  // until the first update
	progressLive  = time.Second      // between two updates on a terminal
	progressPlain = 10 * time.Second // between two lines elsewhere
)

// progress shows on standard error the progress of a one-shot command: one line that is rewritten on a terminal, or a new
// line from time to time.
type progress struct {
	a     *cli
	agent *agent.Agent
	total int
	begun time.Time
	done  chan struct{}
	wg    sync.WaitGroup
	shown bool
}

func (a *cli) startProgress(ag *agent.Agent, total int) *progress {
	p := &progress{a: a, agent: ag, total: total, begun: time.Now(), done: make(chan struct{})}
	p.wg.Go(p.run)
	return p
}

func (p *progress) run() {
	every := progressPlain
	if p.a.tty {
		every = progressLive
	}
	t := time.NewTimer(progressAfter)
	defer t.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-t.C:
			p.show()
			t.Reset(every)
		}
	}
}

func (p *progress) show() {
	line := progressLine(p.agent.Status(), p.total, time.Since(p.begun))
	if p.a.tty {
		fmt.Fprintf(p.a.errw, "\r\033[K%s", term.Line(line, 120))
		p.shown = true
		return
	}
	p.a.say("%s", line)
}

// stop ends the display and leaves the terminal's line empty.
func (p *progress) stop() {
	close(p.done)
	p.wg.Wait()
	if p.shown {
		fmt.Fprint(p.a.errw, "\r\033[K")
	}
}

// progressLine describes the running jobs, their findings and the uploads.
func progressLine(s agent.Status, total int, elapsed time.Duration) string {
	var parts []string
	for _, j := range s.Jobs {
		text := fmt.Sprintf("%s: %s", j.Scanner, j.Phase)
		if j.Findings > 0 {
			text += ", " + count(j.Findings, "finding")
		}
		parts = append(parts, text)
	}
	if s.Resource.Throttled {
		parts = append(parts, "new jobs wait: "+s.Resource.ThrottleReason)
	}
	if p := s.Pipeline; p.QueueParts > 0 {
		text := fmt.Sprintf("uploading: %s done, %d to go", count(p.PartsUploaded, "part"), p.QueueParts)
		if p.PausedUntil != nil {
			text += ", paused: " + p.PauseReason
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		parts = append(parts, "working")
	}
	return fmt.Sprintf("[%s] %d of %d jobs done; %s", elapsed.Round(time.Second), s.JobsCompleted+s.JobsFailed, total, strings.Join(parts, "; "))
}
