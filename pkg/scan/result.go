package scan

import (
	"encoding/json"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/report/sarif"
)

// Result is a scan or import whose report was accepted.
type Result struct {
	ReportID   string
	Tool       report.Tool   // as the report names it
	Summary    part.Summary  // of the report
	Sarif      sarif.Summary // of the file it was made from
	Process    *Process      // nil for Import
	StderrTail []string      // the last lines of the scanner's standard error, at most 20, cleaned for display
	Partial    bool          // the report does not claim to hold all there is; Warnings say why
	Warnings   []string      // what somebody should look at, at most 101 lines of the scan and 101 of the file
}

// maxWarnings bounds the warnings of this package: a hostile file may give reason for any number.
const maxWarnings = 100

// warn adds a warning.
func (r *Result) warn(text string) {
	switch n := len(r.Warnings); {
	case n < maxWarnings:
		r.Warnings = append(r.Warnings, text)
	case n == maxWarnings:
		r.Warnings = append(r.Warnings, "and more warnings")
	}
}

// partial adds a warning for which the report cannot claim full coverage.
func (r *Result) partial(text string) {
	r.Partial = true
	r.warn(text)
}

// Process says how a scanner ended and what it used.
type Process struct {
	Path         string        `json:"path"` // of the executable
	Cause        Cause         `json:"cause"`
	ExitCode     int           `json:"exit_code"`               // -1 when a signal ended it
	Signal       string        `json:"signal,omitempty"`        // the signal that ended it
	Duration     time.Duration `json:"-"`                       // from start until all its processes were gone; in JSON these four are milliseconds, duration_ms
	UserCPU      time.Duration `json:"-"`                       // of the scanner and the children it waited for; user_cpu_ms
	SystemCPU    time.Duration `json:"-"`                       // the same; system_cpu_ms
	CPU          time.Duration `json:"-"`                       // of the scanner and all it started, see below; cpu_ms
	Containment  Containment   `json:"containment"`             // in force
	CgroupMemory int64         `json:"cgroup_memory,omitempty"` // most memory of its control group, in bytes, files in memory included; 0: not counted
	OOMKills     int64         `json:"oom_kills,omitempty"`     // processes of it that the kernel killed for want of memory, where its control group counts them
	ForksRefused int64         `json:"forks_refused,omitempty"` // processes it was not given because of Config.MaxProcesses, where its control group holds that
	Leftovers    int           `json:"leftovers,omitempty"`     // processes it left running, which were killed; Linux only
	Survivors    int           `json:"survivors,omitempty"`     // processes of it that could not be killed; Linux only

	// PeakMemory is the largest resident memory seen, in bytes; 0: unknown. On Linux it is the sum over the
	// scanner and all it started, sampled every Config.SampleInterval, elsewhere that of the largest process. CPU holds,
	// on Linux without a control group, a process that nobody waited for as far as the last sample saw it; on other
	// systems it is UserCPU and SystemCPU.
	PeakMemory    int64 `json:"peak_memory"`
	PeakProcesses int   `json:"peak_processes,omitempty"` // most processes in one sample; Linux only
	PeakThreads   int   `json:"peak_threads,omitempty"`   // the same of threads
}

func newProcess(path string, r *proc.Result) *Process {
	return &Process{
		Path: path, Cause: Cause(r.Cause), ExitCode: r.ExitCode, Signal: r.Signal, Duration: r.Duration,
		UserCPU: r.UserCPU, SystemCPU: r.SystemCPU, CPU: r.CPU,
		PeakMemory: r.PeakMemory, PeakProcesses: r.PeakProcesses, PeakThreads: r.PeakThreads,
		Containment: Containment(r.Containment), CgroupMemory: r.CgroupMemory, OOMKills: r.OOMKills, ForksRefused: r.ForksRefused,
		Leftovers: r.Leftovers, Survivors: r.Survivors,
	}
}

type plainProcess Process // without the methods

// processJSON is a Process as it is in JSON, with times in milliseconds.
type processJSON struct {
	*plainProcess
	DurationMS  int64 `json:"duration_ms"`
	UserCPUMS   int64 `json:"user_cpu_ms"`
	SystemCPUMS int64 `json:"system_cpu_ms"`
	CPUMS       int64 `json:"cpu_ms"`
}

// MarshalJSON writes times in whole milliseconds.
func (p Process) MarshalJSON() ([]byte, error) {
	return json.Marshal(processJSON{
		(*plainProcess)(&p), p.Duration.Milliseconds(), p.UserCPU.Milliseconds(), p.SystemCPU.Milliseconds(), p.CPU.Milliseconds(),
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Process) UnmarshalJSON(b []byte) error {
	j := processJSON{plainProcess: (*plainProcess)(p)}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	p.Duration, p.UserCPU = time.Duration(j.DurationMS)*time.Millisecond, time.Duration(j.UserCPUMS)*time.Millisecond
	p.SystemCPU, p.CPU = time.Duration(j.SystemCPUMS)*time.Millisecond, time.Duration(j.CPUMS)*time.Millisecond
	return nil
}

// Support says how well scanners are supervised on this system.
type Support struct {
	Group  bool `json:"group"`  // the whole process group of a scanner is stopped, not the scanner alone
	Tree   bool `json:"tree"`   // what left the group is found too, and leftovers are counted
	Memory bool `json:"memory"` // memory, CPU time and processes are measured over all of a scanner, and limited
	Sweep  bool `json:"sweep"`  // Sweep finds what a killed agent left behind
}

// Supported says how well scanners are supervised on this system, for a status page.
func Supported() Support { return Support(proc.Supported()) }
