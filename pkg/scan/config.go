package scan

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report/sarif"
)

// Config says how scanners are run. The zero value works.
type Config struct {
	// Table holds the scanners. Nil: those of Builtin.
	Table *Table
	// BinDirs are searched for executables before PATH.
	BinDirs []string
	// Offline keeps scanners from the network as far as their definitions say how: no downloads, no checks for updates.
	Offline bool
	// AllowTargetConfig names the scanners that may take their configuration from the repository they scan. Whoever can
	// write there can then silence them, and with some of them run programs. Default none.
	AllowTargetConfig []string
	// CacheDir is where scanners keep what they download and compute, each in a directory of its own. Empty: below Dir,
	// removed after each scan (example-agent: caches in its state directory).
	CacheDir string
	// Dir is where each scan has its private directory while it runs. Empty: the system's directory for
	// temporary files. It is created with mode 0700 where it does not exist.
	Dir string

	Timeout time.Duration // of a scan; default 30 minutes; -1: none
	Grace   time.Duration // between the request to end and the kill; default 5 seconds; -1: none

	MaxOutputBytes int64 // of the SARIF; default 512 MiB
	MaxLogBytes    int64 // of the scanner's standard error; default 64 MiB
	MaxFileBytes   int64 // of any file the scanner writes, caches included, on Linux; default 4 GiB; -1: no limit
	Nice           int   // how much scanners yield to other work of the host, on Unix; default 10; -1: not at all

	// What the scanner and all it starts may use. It is sampled, so a scanner may be over a limit for as long as
	// SampleInterval before it is stopped, unless the kernel holds it: see Containment. All of it is on Linux alone.

	MemoryLimitBytes     int64         // resident memory; default and -1: no limit
	SoftMemoryLimitBytes int64         // resident memory from which on an event warns; default 80 % of MemoryLimitBytes; -1: none
	CPULimit             time.Duration // CPU time, that of all CPUs added up; default and -1: no limit
	MaxProcesses         int           // processes at one time, threads too where the kernel counts them: see Containment; default 512, or 64 a CPU where that is more; -1: no limit
	StuckTimeout         time.Duration // without any CPU time used and any output; default 10 minutes; -1: no limit
	SampleInterval       time.Duration // between two looks at all that, longer where a look takes long; default 250ms

	// Containment is what holds all processes of a scanner together: auto, group, subreaper, pidns, cgroup or job; default
	// auto. NewRunner fails where another one than auto is not to be had.
	Containment Containment

	// LearnScans is how many scans of each scanner, by size of their targets, the expected memory of the next is
	// learned from where a definition declares none, on Linux; default 20; -1: nothing is learned.
	LearnScans int
	// LearnFile keeps what was learned over restarts; its directory must exist. Empty: it is forgotten (example-agent:
	// learned.json in its state directory).
	LearnFile string

	// SarifLimits bounds what a SARIF file may hold.
	SarifLimits sarif.Limits
	// Sink hears of scan_started, scan_completed and scan_failed, and as resource_warning of a scanner that is over
	// SoftMemoryLimitBytes. Nil: nobody does.
	Sink event.Sink
}

// The defaults of Config.
const (
	DefaultTimeout        = 30 * time.Minute
	DefaultGrace          = 5 * time.Second
	DefaultMaxOutputBytes = 512 << 20
	DefaultMaxLogBytes    = 64 << 20
	DefaultMaxFileBytes   = 4 << 30
	DefaultNice           = 10
	DefaultMaxProcesses   = 512
	DefaultStuckTimeout   = 10 * time.Minute
	DefaultSampleInterval = proc.DefaultSampleInterval
	DefaultLearnScans     = 20
)

// processesPerCPU is what a compiler that a scanner calls may need: one process a CPU, with some threads a CPU each.
const processesPerCPU = 64

// MaxLearnScans is the most that Config.LearnScans may be.
const MaxLearnScans = 1000

const (
	minSampleInterval = 10 * time.Millisecond
	maxSampleInterval = time.Minute
)

// Validate returns every field that is out of range, in one error.
func (c Config) Validate() error {
	var errs []error
	check := func(name string, v, lo, hi int64) {
		if v != 0 && (v < lo || v > hi) {
			errs = append(errs, fmt.Errorf("%s: %d is outside %d to %d", name, v, lo, hi))
		}
	}
	duration := func(name string, d, lo, hi time.Duration) {
		if d != 0 && d != -1 && (d < lo || d > hi) {
			errs = append(errs, fmt.Errorf("%s: %s is outside %s to %s", name, d, lo, hi))
		}
	}
	duration("timeout", c.Timeout, time.Millisecond, 30*24*time.Hour)
	duration("grace", c.Grace, time.Millisecond, time.Hour)
	check("max_output_bytes", c.MaxOutputBytes, 1, 1<<40)
	check("max_log_bytes", c.MaxLogBytes, 1, 1<<40)
	if c.MaxFileBytes != -1 {
		check("max_file_bytes", c.MaxFileBytes, 1<<20, 1<<50)
	}
	if c.MemoryLimitBytes != -1 {
		check("memory_limit_bytes", c.MemoryLimitBytes, 16<<20, 1<<50)
	}
	if c.SoftMemoryLimitBytes != -1 {
		check("soft_memory_limit_bytes", c.SoftMemoryLimitBytes, 1<<20, 1<<50)
	}
	if soft, hard := c.SoftMemoryLimitBytes, c.MemoryLimitBytes; hard > 0 && soft > hard {
		errs = append(errs, fmt.Errorf("soft_memory_limit_bytes: %d is over memory_limit_bytes, %d", soft, hard))
	}
	duration("cpu_limit", c.CPULimit, 10*time.Millisecond, 30*24*time.Hour)
	if c.MaxProcesses != -1 {
		check("max_processes", int64(c.MaxProcesses), 1, 1<<22)
	}
	duration("stuck_timeout", c.StuckTimeout, 100*time.Millisecond, 30*24*time.Hour)
	if c.SampleInterval != 0 && (c.SampleInterval < minSampleInterval || c.SampleInterval > maxSampleInterval) {
		errs = append(errs, fmt.Errorf("sample_interval: %s is outside %s to %s", c.SampleInterval, minSampleInterval, maxSampleInterval))
	}
	if c.Nice != -1 {
		check("nice", int64(c.Nice), 1, 19)
	}
	if err := c.Containment.validate(); err != nil {
		errs = append(errs, err)
	}
	if c.LearnScans != -1 {
		check("learn_scans", int64(c.LearnScans), 1, MaxLearnScans)
	}
	for _, name := range c.AllowTargetConfig {
		if c.Table == nil {
			break // it is judged with the table
		}
		if _, ok := c.Table.Lookup(name); !ok {
			errs = append(errs, fmt.Errorf("allow_target_config: no scanner %q in the table, which has: %s", name, strings.Join(c.Table.Names(), ", ")))
		}
	}
	v := config.New("")
	v.Nest("sarif_limits", c.SarifLimits.Validate())
	return errors.Join(append(errs, v.Err())...)
}

// withDefaults returns c with every default in place, and 0 for what is off.
func (c Config) withDefaults() Config {
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	c.Timeout = orDefault(c.Timeout, DefaultTimeout)
	c.Grace = orDefault(c.Grace, DefaultGrace)
	c.MaxOutputBytes = orDefault(c.MaxOutputBytes, DefaultMaxOutputBytes)
	c.MaxLogBytes = orDefault(c.MaxLogBytes, DefaultMaxLogBytes)
	c.MaxFileBytes = orDefault(c.MaxFileBytes, DefaultMaxFileBytes)
	c.MemoryLimitBytes = orDefault(c.MemoryLimitBytes, 0)
	c.SoftMemoryLimitBytes = orDefault(c.SoftMemoryLimitBytes, c.MemoryLimitBytes/10*8)
	c.CPULimit = orDefault(c.CPULimit, 0)
	c.MaxProcesses = orDefault(c.MaxProcesses, max(DefaultMaxProcesses, processesPerCPU*runtime.NumCPU()))
	c.StuckTimeout = orDefault(c.StuckTimeout, DefaultStuckTimeout)
	c.SampleInterval = orDefault(c.SampleInterval, DefaultSampleInterval)
	c.Nice = orDefault(c.Nice, DefaultNice)
	c.LearnScans = orDefault(c.LearnScans, DefaultLearnScans)
	c.AllowTargetConfig = slices.Clone(c.AllowTargetConfig)
	return c
}

// orDefault returns def for 0 and 0 for -1.
func orDefault[T ~int | ~int64](v, def T) T {
	switch v {
	case 0:
		return def
	case -1:
		return 0
	}
	return v
}
