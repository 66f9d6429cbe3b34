package scan

import (
	"fmt"
	"strings"

	"github.com/rediverio/sdk/internal/proc"
)

// ErrShutdown, as the cause of the context given to Scan, makes a stopped scan fail with CauseShutdown instead of
// CauseCancel: the job is to be given back, nobody withdrew it.
var ErrShutdown = proc.ErrShutdown

// Cause says why a scanner ended, or why a scan failed.
type Cause string

// Why a scanner ended.
const (
	CauseExit      = Cause(proc.Exit)      // by itself; as the cause of an Error: with an undeclared code, or by a signal
	CauseTimeout   = Cause(proc.Timeout)   // stopped at its time limit
	CauseCancel    = Cause(proc.Cancel)    // stopped because the context was cancelled
	CauseShutdown  = Cause(proc.Shutdown)  // stopped because the context was cancelled with ErrShutdown
	CauseOOM       = Cause(proc.OOM)       // killed by the kernel, as there was no memory left
	CauseMemory    = Cause(proc.Memory)    // stopped at its memory limit
	CauseCPU       = Cause(proc.CPU)       // stopped at its limit of CPU time
	CauseProcesses = Cause(proc.Processes) // stopped at its limit of processes
	CauseOutput    = Cause(proc.Output)    // stopped at its output limit
	CauseStuck     = Cause(proc.Stuck)     // stopped because it did nothing any more
)

// Why else a scan failed.
const (
	CauseScanner Cause = "scanner" // the table has no such scanner, or it is not installed
	CauseTarget  Cause = "target"  // there is no such target
	CauseStart   Cause = "start"   // the scanner could not be started
	CauseSarif   Cause = "sarif"   // it left no SARIF, or a file that is none
	CauseReport  Cause = "report"  // the report could not be written
)

// Error says why a scan failed. Nothing of it was submitted.
type Error struct {
	Scanner  string
	Cause    Cause
	ExitCode int      // -1 when the scanner did not exit
	Stderr   []string // the last lines of its standard error, at most 20, cleaned for display
	Process  *Process // nil when the scanner was not started
	Err      error
}

// Error is one line: the scanner, the reason and the last line of its standard error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Scanner, e.Err)
	if n := len(e.Stderr); n > 0 {
		fmt.Fprintf(&b, " (stderr: %s)", e.Stderr[n-1])
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether the same scan may succeed when it is tried again: it was stopped from outside, or the
// host could not give what it needs.
func (e *Error) Temporary() bool {
	switch e.Cause {
	case CauseCancel, CauseShutdown, CauseOOM, CauseStart, CauseReport:
		return true
	}
	return false
}
