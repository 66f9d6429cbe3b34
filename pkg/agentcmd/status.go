package agentcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/internal/term"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/pool"
	"github.com/rediverio/sdk/pkg/watch"
)

// daemonStatus is the state of a running daemon, as its control interface returns it.
type daemonStatus struct {
	AgentID string       `json:"agent_id"`
	Version string       `json:"version"`
	PID     int          `json:"pid"`
	Started time.Time    `json:"started"`
	Server  string       `json:"server"`
	Agent   agent.Status `json:"agent"`
	Store   chunk.Stats  `json:"store"`
	Audit   audit.Stats  `json:"audit"`

	Containment scan.Contained        `json:"containment"`       // how the processes of a scanner are kept together
	Servers     map[string]pool.Stats `json:"servers,omitempty"` // by scanner
	Limits      []limits.Usage        `json:"limits"`            // the use of each limit, and what it refused
	Watch       *watch.Status         `json:"watch,omitempty"`   // nil: nothing is watched

	Healthy bool     `json:"healthy"`
	Reasons []string `json:"reasons"` // why it is not healthy, most important first
}

// problemAge is how long a problem counts against the daemon's health.
const problemAge = 5 * time.Minute

// serveStatus starts the control interface and returns its address.
func (e *engine) serveStatus() (string, error) {
	l, err := control.Listen(e.cfg.Agent.StatusAddr)
	if err != nil {
		return "", fmt.Errorf("agent.status_addr: %w", err)
	}
	started := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status.json", control.Answer(func(r *http.Request) (any, error) { return e.status(r.Context(), started) }))
	queueRoutes(mux, e.store)
	e.onClose(control.Serve(l, control.OnlyLocal(mux)).Stop)
	return l.Addr().String(), nil
}

func (e *engine) status(ctx context.Context, started time.Time) (*daemonStatus, error) {
	s := &daemonStatus{
		AgentID: e.cfg.Agent.ID, Version: e.a.Version, PID: os.Getpid(), Started: started, Server: e.where(),
		Agent: e.agent.Status(), Audit: e.log.Stats(), Containment: e.scanner.Containment(), Servers: e.scanner.ServerStats(), Limits: e.usage(), Reasons: []string{},
	}
	var err error
	if s.Store, err = e.store.Stats(ctx); err != nil {
		return nil, err
	}
	if !e.cfg.Watch.Empty() {
		w := e.watcher.Status()
		s.Watch = &w
	}
	s.judge(time.Now(), e.a.Name)
	return s, nil
}

// judge finds the reasons why the daemon is not healthy.
func (s *daemonStatus) judge(now time.Time, name string) {
	add := func(format string, args ...any) { s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...)) }
	if s.Agent.Phase != agent.PhaseRunning {
		add("%s since %s", s.Agent.Phase, s.Agent.Since.Format(time.TimeOnly))
	}
	if d := s.Agent.Degradation; d.Level.Rank() > 0 {
		add("%s since %s: %s: %s", d.Level, d.Since.Format(time.TimeOnly), d.Reason, d.Off)
	}
	if p := s.Agent.Pipeline; p.PausedUntil != nil {
		add("uploads pause until %s: %s", p.PausedUntil.Format(time.TimeOnly), p.PauseReason)
	}
	if r := s.Agent.Resource; r.Throttled {
		add("no new jobs since %s: %s", r.ThrottledAt.Format(time.TimeOnly), r.ThrottleReason)
	}
	if r := s.Agent.Resource; r.SampleError != "" {
		add("the host cannot be measured: %s", r.SampleError)
	}
	if s.Store.Dead > 0 {
		add("%s: %s queue list", count(int64(s.Store.Dead), "dead letter"), name)
	}
	if s.Store.Full() > 90 {
		add("the store is nearly full: %s of %s", bytesText(s.Store.UsedBytes-s.Store.Removable), bytesText(s.Store.RoomBytes))
	}
	if s.Audit.Dropped > 0 {
		add("audit events dropped: %d", s.Audit.Dropped)
	}
	if r := s.Audit.Remote; r.Failing && r.LagAge > problemAge {
		add("audit log lines not sent: %d, the oldest for %s: %s", r.LagLines, r.LagAge.Round(time.Second), r.LastError)
	}
	if n := s.Audit.Remote.Rejected; n > 0 {
		add("audit log lines refused by the collector: %d, see audit.log.rejected", n)
	}
	for _, p := range s.Agent.Problems {
		if now.Sub(p.Time) < problemAge {
			text := p.Message
			if p.JobID != "" {
				text = "job " + p.JobID + ": " + text
			}
			add("%s %s%s", p.Time.Format(time.TimeOnly), text, because(p.Error))
		}
	}
	if s.Watch != nil && s.Watch.LastError != "" {
		add("the host is not watched: %s", s.Watch.LastError)
	}
	s.Healthy = len(s.Reasons) == 0
}

func (a *cli) statusCommand() *cobra.Command {
	var addr string
	cmd := a.verb("status", "the state of the running daemon, and its problems", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		addr = cmp.Or(addr, a.cfg.Agent.StatusAddr)
		var s daemonStatus
		if err := control.Dial(addr).Get(ctx, "/status.json", &s); err != nil {
			return &ExitError{ExitUnavailable, a.notRunning(addr, err)}
		}
		if err := a.printStatus(&s); err != nil {
			return err
		}
		if !s.Healthy {
			return &ExitError{ExitRuntime, nil}
		}
		return nil
	})
	cmd.Long = "Asks the daemon of --state-dir for its status. It is one line if all is well; otherwise the reasons follow, and the exit code is 2."
	cmd.Flags().StringVar(&addr, "addr", "", "unix socket or loopback host:port of the daemon (default: the socket in --state-dir)")
	return cmd
}

// notRunning reports that no daemon answers. It leaves out the URL of the request, which is no address of anything.
func (a *cli) notRunning(addr string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("no agent answers on %s (%w); is '%s run' up, with the same --state-dir?", addr, err, a.Name)
}

// jobsText counts the jobs. Counts that are rarely above zero are left out when they are zero.
func jobsText(s *agent.Status) string {
	text := fmt.Sprintf("%d running", len(s.Jobs)-s.JobsWaiting)
	if s.JobsWaiting > 0 {
		text += fmt.Sprintf(", %d waiting", s.JobsWaiting)
	}
	text += fmt.Sprintf(", %d completed, %d failed", s.JobsCompleted, s.JobsFailed)
	if s.JobsReturned > 0 {
		text += fmt.Sprintf(", %d returned", s.JobsReturned)
	}
	return text
}

func (a *cli) printStatus(s *daemonStatus) error {
	p, r := s.Agent.Pipeline, s.Agent.Resource
	var b strings.Builder
	health := "well"
	if !s.Healthy {
		health = "NOT WELL"
	}
	fmt.Fprintf(&b, "%s: %s, up %s; jobs %s; queue %s, %s; uploaded %s; store %s\n",
		s.AgentID, health, time.Since(s.Started).Round(time.Second), jobsText(&s.Agent),
		count(p.QueueLength+p.InProgress, "report"), count(p.QueueParts, "part"), count(p.PartsUploaded, "part"), bytesText(s.Store.FileBytes))
	for _, reason := range s.Reasons {
		fmt.Fprintf(&b, "  ! %s\n", term.Line(reason, 200))
	}
	for _, j := range s.Agent.Jobs {
		fmt.Fprintf(&b, "  job %s: %s %s, %s for %s, %s\n", j.ID, j.Scanner, j.Target, j.Phase, time.Since(j.Since).Round(time.Second), count(j.Findings, "finding"))
	}
	if w := s.Watch; w != nil {
		mode := "dry run"
		if w.Enforce {
			mode = "enforced"
		}
		fmt.Fprintf(&b, "  watch (%s): %d looks, %d warnings, %d would be ended, %d ended, %d failed; %s freed\n", mode, w.Looks, w.Warned, w.WouldStop, w.Stopped, w.Failed, bytesText(w.Freed))
	}
	if !s.Healthy || a.flags.verbose {
		m := r.Metrics
		fmt.Fprintf(&b, "  resources: CPU %.0f%%, memory %.0f%%, slots %d of %d, %d waiting, %d refused\n", m.CPUPercent, m.MemoryPercent, r.ActiveSlots, r.MaxJobs, r.PendingJobs, r.RejectedJobs)
		fmt.Fprintf(&b, "  scanners are contained by: %s\n", s.Containment)
		for _, c := range r.Budgets {
			fmt.Fprintf(&b, "  budget %s: %d of %d slots, %d lent, %d waiting\n", c.Component, c.Used.Slots, c.Guaranteed.Slots, c.Lent.Slots, c.Waiting)
		}
		fmt.Fprintf(&b, "  uploads to %s: %d attempts, %d retries, %d parts dead, %s sent%s\n", s.Server, p.Attempts, p.Retries, p.PartsDead, bytesText(p.BytesSent), because(p.LastError))
		fmt.Fprintf(&b, "  store: %s of %s used, %d reports pending, %d finished, %d dead letters\n", bytesText(s.Store.UsedBytes), bytesText(s.Store.MaxBytes),
			s.Store.Queued+s.Store.InProgress, s.Store.Finished, s.Store.Dead)
		if bus := s.Agent.Bus; bus.Dropped+bus.Panics > 0 {
			fmt.Fprintf(&b, "  events for subscribers: %d published, %d dropped, %d panics of handlers\n", bus.Published, bus.Dropped, bus.Panics)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Servers)) {
			p := s.Servers[name]
			fmt.Fprintf(&b, "  server of %s: %s, %d in use, %d waiting, %s\n", name, count(p.Instances, "instance"), p.InUse, p.Waiting, bytesText(p.MemoryBytes))
		}
		for _, w := range s.Agent.Warnings {
			fmt.Fprintf(&b, "  warning: %s\n", w)
		}
		for _, u := range s.Limits {
			if u.Refused+u.Waited > 0 {
				fmt.Fprintf(&b, "  limit %s: %.4g of %.4g, %d refused, %d waited\n", u.Name, u.Used, u.Limit, u.Refused, u.Waited)
			}
		}
	}
	return a.print(s, "%s", b.String())
}
