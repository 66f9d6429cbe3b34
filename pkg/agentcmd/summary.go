package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

// summary is the outcome of a one-shot command. -o json prints it.
type summary struct {
	Jobs       []*jobSummary           `json:"jobs"`
	Severities map[report.Severity]int `json:"findings_by_severity"`
	Findings   int                     `json:"findings"`
	Suppressed int                     `json:"suppressed"` // findings that are suppressed; --fail-on ignores them

	Parts       int64 `json:"parts_uploaded"`
	BytesRaw    int64 `json:"bytes_raw"`
	BytesStored int64 `json:"bytes_compressed"`
	BytesSent   int64 `json:"bytes_sent"`
	Created     int   `json:"findings_created"`
	Updated     int   `json:"findings_updated"`
	Left        int64 `json:"reports_left"`   // in the store, for the next run
	Dead        int   `json:"reports_failed"` // refused by the server: dead letters
	Retries     int64 `json:"upload_retries"`

	PeakMemory int64  `json:"scanner_peak_memory"` // bytes, of the largest scanner tree
	DurationMS int64  `json:"duration_ms"`
	LastError  string `json:"last_upload_error,omitempty"`

	mu    sync.Mutex
	worst []ingest.Finding // the most severe findings of this run, from the ingest store
	begun time.Time
	byID  map[string]*jobSummary
	open  map[report.Severity]int // findings that nothing suppresses
}

// jobSummary is the outcome of one job.
type jobSummary struct {
	Scanner     string   `json:"scanner"`
	Target      string   `json:"target"`
	ReportID    string   `json:"report_id,omitempty"`
	Tool        string   `json:"tool,omitempty"`
	Version     string   `json:"tool_version,omitempty"`
	Results     int      `json:"results"`
	Findings    int      `json:"findings"`
	Suppressed  int      `json:"suppressed"`
	Quarantined int      `json:"quarantined"`
	Known       bool     `json:"uploaded_before"` // the receiver has the same content already: nothing was sent
	Partial     bool     `json:"partial"`
	PeakMemory  int64    `json:"peak_memory,omitempty"`
	DurationMS  int64    `json:"scanner_duration_ms,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	Rejected    []string `json:"rejected,omitempty"`
	Error       string   `json:"error,omitempty"`

	Cause   scan.Cause    `json:"cause,omitempty"`   // why the scan failed
	Process *scan.Process `json:"process,omitempty"` // how the scanner ended and what it used, also if it failed
}

func newSummary(specs []job.Spec) *summary {
	s := &summary{Severities: map[report.Severity]int{}, begun: time.Now(), byID: map[string]*jobSummary{}, open: map[report.Severity]int{}}
	for _, spec := range specs {
		j := &jobSummary{Scanner: spec.Scanner, Target: spec.Target, Error: "not run"}
		s.Jobs = append(s.Jobs, j)
		s.byID[spec.ID] = j
	}
	return s
}

// add records how a job ended. A job that is tried again replaces its entry.
func (s *summary) add(r agent.JobResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.byID[r.Spec.ID]
	j.Error = ""
	j.Cause, j.Process = "", nil
	if r.Err != nil {
		j.Error = r.Err.Error()
		if failed, ok := errors.AsType[*scan.Error](r.Err); ok {
			j.Cause = failed.Cause
			s.used(j, failed.Process)
		}
		return
	}
	res := r.Result
	j.ReportID, j.Tool, j.Version, j.Partial, j.Warnings = res.ReportID, res.Tool.Name, res.Tool.Version, res.Partial, res.Warnings
	j.Results, j.Findings, j.Suppressed, j.Quarantined = res.Sarif.Results, res.Summary.Findings, res.Sarif.Suppressed, res.Sarif.Quarantined
	j.Known = res.Summary.Uploaded
	for _, rej := range res.Sarif.Rejected {
		j.Rejected = append(j.Rejected, fmt.Sprintf("run %d, result %d, at byte %d: %s", rej.Run, rej.Index, rej.Offset, rej.Reason))
	}
	s.used(j, res.Process)
	s.Findings += res.Summary.Findings
	for sev, n := range res.Summary.BySeverity {
		s.Severities[sev] += n
		s.open[sev] += n - res.Sarif.SuppressedBySeverity[sev]
	}
	s.Suppressed += res.Sarif.Suppressed
}

// used records what the processes of a scanner used. p is nil if it was not started.
func (s *summary) used(j *jobSummary, p *scan.Process) {
	if p == nil {
		return
	}
	j.Process, j.PeakMemory, j.DurationMS = p, p.PeakMemory, p.Duration.Milliseconds()
	s.PeakMemory = max(s.PeakMemory, p.PeakMemory)
}

func (s *summary) uploaded(_ *pipeline.QueueItem, r *pipeline.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Created += r.FindingsCreated
	s.Updated += r.FindingsUpdated
}

func (s *summary) failed(_ *pipeline.QueueItem, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Dead++
	s.LastError = err.Error()
}

// finish records the final numbers of the agent.
func (s *summary) finish(a *agent.Agent, source *job.List) {
	st := a.Pipeline().GetStats()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Parts, s.BytesRaw, s.BytesStored, s.BytesSent, s.Retries = st.PartsUploaded, st.BytesRaw, st.BytesData, st.BytesSent, st.Retries
	s.Left = st.QueueLength + st.InProgress
	if s.Left > 0 {
		s.LastError = st.LastError
	}
	for id, why := range source.Failed() {
		if j := s.byID[id]; j != nil && j.Error == "" && j.ReportID == "" {
			j.Error = why
		}
	}
	s.DurationMS = time.Since(s.begun).Milliseconds()
}

// worstShown is the number of findings that the summary lists.
const worstShown = 10

// fetchWorst reads the most severe findings of this run from the ingest store.
func (s *summary) fetchWorst(ctx context.Context, from ingest.Finder) error {
	for _, j := range s.Jobs {
		if j.ReportID == "" {
			continue
		}
		page, err := from.Findings(ctx, ingest.Query{ReportID: j.ReportID, Limit: worstShown})
		if err != nil {
			return err
		}
		s.worst = append(s.worst, page.Findings...)
	}
	slices.SortStableFunc(s.worst, func(a, b ingest.Finding) int { return b.Severity.Rank() - a.Severity.Rank() })
	s.worst = s.worst[:min(len(s.worst), worstShown)]
	return nil
}

// exit returns the error with which the outcome ends the program.
func (s *summary) exit(err error, failOn report.Severity, interrupted bool) error {
	_, left := errors.AsType[*agent.LeftError](err)
	jobsFailed := slices.ContainsFunc(s.Jobs, func(j *jobSummary) bool { return j.Error != "" })
	switch {
	case err != nil && !left:
		return &ExitError{ExitRuntime, err}
	case interrupted:
		return &ExitError{ExitRuntime, errors.New("interrupted")}
	case jobsFailed || s.Dead > 0:
		return &ExitError{ExitRuntime, nil} // the summary names them
	case s.Left > 0:
		return &ExitError{ExitUnavailable, err}
	}
	for sev, n := range s.open {
		if failOn != "" && n > 0 && sev.Rank() >= failOn.Rank() {
			return &ExitError{ExitFindings, nil}
		}
	}
	return nil
}

func (a *cli) printSummary(s *summary, e *engine) error {
	if a.json() {
		return a.printJSON(s)
	}
	out := newTable(a.out, "SCANNER", "TARGET", "FINDINGS", "QUARANTINED", "PEAK MEMORY", "TIME", "STATE")
	for _, j := range s.Jobs {
		state := "ok"
		switch {
		case j.Error != "":
			state = "failed"
		case j.Known:
			state = "uploaded before"
		case j.Partial:
			state = "partial"
		}
		out.row(j.Scanner, j.Target, j.Findings, j.Quarantined, bytesOrDash(j.PeakMemory), msText(j.DurationMS), state)
	}
	if err := out.flush(); err != nil {
		return err
	}
	if len(s.worst) > 0 {
		fmt.Fprintln(a.out)
		t := a.newFindingsTable()
		for _, f := range s.worst {
			t.finding(f)
		}
		if err := t.flush(); err != nil {
			return err
		}
		if more := s.Findings - len(s.worst); more > 0 {
			a.printf("and %d more\n", more)
		}
	}
	var b strings.Builder
	for _, j := range s.Jobs {
		name := j.Scanner + " " + j.Target
		if j.Error != "" {
			fmt.Fprintf(&b, "failed   %s: %s\n", name, j.Error)
		}
		for _, w := range j.Warnings {
			fmt.Fprintf(&b, "warning  %s: %s\n", name, w)
		}
		for _, r := range j.Rejected {
			fmt.Fprintf(&b, "rejected %s: %s\n", name, r)
		}
	}
	fmt.Fprintf(&b, "\nFindings   %d", s.Findings)
	for _, sev := range report.Severities() {
		if n := s.Severities[sev]; n > 0 {
			fmt.Fprintf(&b, "  %s %d", sev, n)
		}
	}
	if s.Suppressed > 0 {
		fmt.Fprintf(&b, "  (%d of them suppressed)", s.Suppressed)
	}
	fmt.Fprintf(&b, "\nUploaded   %s, %s raw, %s compressed, %s sent; %d new findings, %d seen before\n",
		count(s.Parts, "part"), bytesText(s.BytesRaw), bytesText(s.BytesStored), bytesText(s.BytesSent), s.Created, s.Updated)
	fmt.Fprintf(&b, "Time       %s\n", msText(s.DurationMS))
	if s.Left > 0 {
		fmt.Fprintf(&b, "Left       %s kept in %s for the next run; %s queue list shows them%s\n", count(s.Left, "report"), e.cfg.Chunk.DatabasePath, a.called, because(s.LastError))
	}
	if s.Dead > 0 {
		fmt.Fprintf(&b, "Refused    %s: %s queue list%s\n", count(s.Dead, "dead letter"), a.called, because(s.LastError))
	}
	where := a.called + " findings"
	if e.local != nil {
		if e.cfg.Agent.StateDir != mustExpand(a.StateDir) {
			where += " --state-dir " + e.cfg.Agent.StateDir
		}
		fmt.Fprintf(&b, "\nNext: %s\nLog:  %s\n", where, e.cfg.Audit.LogFile)
	} else {
		fmt.Fprintf(&b, "\nSent to %s\nLog:  %s\n", e.where(), e.cfg.Audit.LogFile)
	}
	a.printf("%s", b.String())
	return nil
}

func mustExpand(path string) string {
	p, err := expandHome(path)
	if err != nil { // there is no home directory
		return path
	}
	return p
}
