// Package proc runs one child process and answers for everything it starts.
//
// A child gets its own process group, no input, and files for its output, so that no pipe can keep the caller
// waiting. What the tree uses is sampled. Limits on time, CPU time, output, memory and processes stop it, and so does
// having nothing to do: TERM to the tree, a grace period, KILL, or KILL at once where waiting would harm the host. When
// the leader ends, by itself or not, what is left of its tree is killed before [Run] returns.
//
// What "the tree" is depends on the system and on what contains it, see [Contain]; [Supported] says what this system
// can do.
//
//   - Linux: the process group, every descendant seen by a sample (also one that left the group since), every process
//     with the child's marker in its environment or its mark in its limits, and what the kernel says is of it at the
//     stronger levels.
//   - other Unix: the process group.
//   - Windows: the job object, or the leader alone where there is none.
package proc

import (
	"errors"
	"time"
)

// MarkerEnv names the environment variable that carries Spec.Marker.
const MarkerEnv = "REDIVER_JOB"

// ErrShutdown, as the cause of the context given to Run, makes the result's cause Shutdown instead of Cancel.
var ErrShutdown = errors.New("shutting down")

// Spec describes the child. Path, Stdout and Stderr must be set; all other fields may be zero.
type Spec struct {
	Path   string   // the executable
	Args   []string // without the executable's name
	Dir    string   // working directory; empty: the caller's
	Env    []string // the whole environment as K=V, to which only the marker is added
	Marker string   // value of MarkerEnv, as MakeMarker returns it; empty: none

	Contain *Containment // what holds its processes together; nil: that of Group
	// Record is a file that tells Sweep how to find the child's processes when this process has died. It must not
	// exist; whoever runs the child removes it after. Linux only; empty: none.
	Record string

	Stdout string // file for standard output, created with mode 0600; it must not exist
	Stderr string // file for standard error, created with mode 0600; it must not exist
	Report string // a file the child writes itself, counted as output; empty: none

	Timeout        time.Duration // wall clock; 0: none
	Grace          time.Duration // between TERM and KILL; 0: KILL at once
	MaxOutputBytes int64         // of Stdout, and of Report, each; 0: no limit
	MaxLogBytes    int64         // of Stderr; 0: no limit
	MaxFileBytes   int64         // of any file the child writes, enforced by the kernel on Linux; 0: no limit
	Nice           int           // added to the niceness on Unix; 0: none

	// The limits of the tree. They are held by sampling it, so that it may be over one for as long as SampleInterval;
	// where Supported().Memory is false they are not held at all. Contain may hold those of memory and processes besides.
	MemoryBytes     int64         // resident memory; 0: no limit
	SoftMemoryBytes int64         // resident memory from which on OnSoftMemory is told; 0: never
	CPUTime         time.Duration // user and system time; 0: no limit
	MaxProcesses    int           // 0: no limit; where Contain has the controller "pids" the kernel holds it, and counts threads
	StuckTimeout    time.Duration // without any CPU time used or any change of an output file; 0: no limit
	SampleInterval  time.Duration // 0: DefaultSampleInterval; longer where a sample takes long

	// OnSample is told what the tree uses after each sample, and nothing but zeros once the tree is gone, where
	// Supported().Memory is true. It is called by Run, one call at a time, and must return soon. Nil: nobody is told.
	OnSample func(Usage)
	// OnSoftMemory is told once, as OnSample is, what the tree uses that is over SoftMemoryBytes. Nil: nobody is told.
	OnSoftMemory func(bytes int64)
}

// Cause says why the child ended.
type Cause string

// The causes. Exit covers every end that Run did not bring about, a signal from outside included.
const (
	Exit     Cause = "exit"     // it ended by itself
	Timeout  Cause = "timeout"  // Spec.Timeout or the context's deadline passed
	Cancel   Cause = "cancel"   // the context was cancelled
	Shutdown Cause = "shutdown" // the context was cancelled because of ErrShutdown
	OOM      Cause = "oom"      // the kernel killed it, as there was no memory left
	Output   Cause = "output"   // a file was over its limit

	Memory    Cause = "memory"    // the tree was over Spec.MemoryBytes
	CPU       Cause = "cpu"       // the tree was over Spec.CPUTime
	Processes Cause = "processes" // the tree was over Spec.MaxProcesses
	Stuck     Cause = "stuck"     // the tree did nothing for Spec.StuckTimeout
)

// Result says how the child ended and what it used.
type Result struct {
	ExitCode  int    // -1 when a signal ended it
	Signal    string // the signal that ended it, e.g. "killed"; empty for none
	Cause     Cause
	File      string        // of Output: the file that was over its limit
	Duration  time.Duration // from start until the tree was gone
	UserCPU   time.Duration // of the leader and the children it waited for; at Cgroup of the whole tree
	SystemCPU time.Duration // the same

	// CPU is the user and system time of the tree. On Linux below Cgroup that of a process which nobody of the tree
	// waited for counts as far as the last sample that saw it. Elsewhere it is UserCPU and SystemCPU.
	CPU time.Duration
	// PeakMemory is the largest resident memory seen, in bytes. On Linux: of the tree, sampled, where pages
	// that processes share count once for each. Elsewhere: of its largest process; 0 on Windows.
	PeakMemory    int64
	PeakProcesses int // most processes of the tree in one sample; 0 where Supported().Memory is false
	PeakThreads   int // the same of threads

	// What the kernel has counted of the whole tree, at Cgroup with its controllers; 0 elsewhere.
	CgroupMemory int64 // the most memory that it had, in bytes, files in memory included
	OOMKills     int64 // processes of it that were killed because memory had run out, its own limit or the host's
	ForksRefused int64 // times that it was refused a process because of MaxProcesses

	Containment Level // in force
	Leftovers   int   // processes that were alive when the leader had ended and had to be killed; Linux only
	Survivors   int   // processes of the tree that are still alive; Linux only
}

// Support says what Run can do on this system.
type Support struct {
	Group  bool `json:"group"`  // the whole process group is stopped, not the leader alone
	Tree   bool `json:"tree"`   // descendants that left the group are found too, and leftovers are counted
	Memory bool `json:"memory"` // memory, CPU time, processes and threads of the tree are measured and limited
	Sweep  bool `json:"sweep"`  // Sweep finds what a killed agent left behind
}
