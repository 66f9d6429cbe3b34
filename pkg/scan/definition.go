package scan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// Definition says how one scanner is run and what its exit codes mean. Name and Command must be set.
type Definition struct {
	Name    string // 1 to 256 characters of A-Z a-z 0-9 _ -
	Command string // the executable: a name to be found, or an absolute path

	// Args are the arguments. {target} stands for the absolute path of what is scanned, {output} for the file
	// the SARIF goes to, {config} for a file that holds Config.
	Args []string
	// Config is the content of the configuration file. Passing one keeps a scanner from taking that of the
	// scanned repository, whose author could silence it.
	Config string
	// Stdout says that the scanner writes SARIF to its standard output; {output} is not used then.
	Stdout bool
	// InTarget runs the scanner with the target as its working directory. Otherwise it is an empty private
	// one, so that configuration files lying in the target are not found by accident.
	InTarget bool

	ExitCodes ExitCodes

	// Env adds to the scanner's environment: "K=V" sets a variable, "K" passes the agent's on. Besides those it
	// gets PATH, HOME and what else every program needs; nothing of the agent's secrets.
	Env []string
	// VersionArgs make the scanner print its version; it is run with them once for each change of the
	// executable. Empty: the version comes from the Go build information of the executable, or from the SARIF.
	VersionArgs []string
	// Type is the type of its findings, e.g. report.TypeSecret. Empty: the SARIF reader decides by tool.
	Type string
	// SilencedBy lists files which, where they lie in the root of the target, make the scanner leave something
	// out and which no option turns off. A scan warns of those it finds.
	SilencedBy []string

	MemoryBytes int64 // what a scan is expected to need, for admission; 0: unknown
	Slots       int   // slots it takes; 0: 1
}

// ExitCodes are the codes that are no failure. A code may be in both lists.
type ExitCodes struct {
	Clean    []int // nothing found; empty: 0
	Findings []int // something found; empty: none
}

// Custom returns the definition of any command that writes SARIF. Without {output} among the arguments it is
// taken to write to standard output; without {target} it is run in the target. Exit code 0 means clean, 1 that
// there are findings; change the definition where that is not so.
func Custom(name, command string, args ...string) Definition {
	return Definition{
		Name: name, Command: command, Args: slices.Clone(args),
		Stdout: !mentions(args, "{output}"), InTarget: !mentions(args, "{target}"),
		ExitCodes: ExitCodes{Clean: []int{0}, Findings: []int{1}},
	}
}

// Validate returns every problem of the definition in one error.
func (d *Definition) Validate() error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("scanner %q: "+format, append([]any{d.Name}, args...)...))
	}
	if err := report.CheckID("name", d.Name); err != nil {
		errs = append(errs, err)
	}
	if d.Command == "" {
		add("command is empty")
	}
	if !d.Stdout && !mentions(d.Args, "{output}") {
		add("args have no {output} and stdout is false: nothing says where the SARIF is")
	}
	if !d.InTarget && !mentions(d.Args, "{target}") {
		add("args have no {target} and in_target is false: nothing says what to scan")
	}
	if d.Config == "" && mentions(d.Args, "{config}") {
		add("args have {config}, but config is empty")
	}
	for _, code := range slices.Concat(d.ExitCodes.Clean, d.ExitCodes.Findings) {
		if code < 0 || code > 255 {
			add("exit code %d is outside 0 to 255", code)
		}
	}
	for _, kv := range d.Env {
		if name, _, _ := strings.Cut(kv, "="); name == "" || strings.ContainsRune(kv, 0) {
			add("env %q is neither NAME nor NAME=VALUE", kv)
		}
	}
	if d.MemoryBytes < 0 {
		add("memory_bytes: %d is below 0", d.MemoryBytes)
	}
	if d.Slots < 0 {
		add("slots: %d is below 0", d.Slots)
	}
	return errors.Join(errs...)
}

func mentions(args []string, placeholder string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, placeholder) })
}

// arguments fills the placeholders. What replaces one is not searched for others.
func (d *Definition) arguments(target, output, config string) []string {
	r := strings.NewReplacer("{target}", target, "{output}", output, "{config}", config)
	out := make([]string, len(d.Args))
	for i, a := range d.Args {
		out[i] = r.Replace(a)
	}
	return out
}

func (c ExitCodes) clean(code int) bool {
	return slices.Contains(c.Clean, code) || len(c.Clean) == 0 && code == 0
}

func (c ExitCodes) findings(code int) bool { return slices.Contains(c.Findings, code) }

func (c ExitCodes) String() string {
	clean := c.Clean
	if len(clean) == 0 {
		clean = []int{0}
	}
	return fmt.Sprintf("clean %v, findings %v", clean, c.Findings)
}

// clone returns a copy that shares nothing with d.
func (d *Definition) clone() Definition {
	c := *d
	c.Args, c.Env, c.VersionArgs = slices.Clone(d.Args), slices.Clone(d.Env), slices.Clone(d.VersionArgs)
	c.SilencedBy = slices.Clone(d.SilencedBy)
	c.ExitCodes = ExitCodes{slices.Clone(d.ExitCodes.Clean), slices.Clone(d.ExitCodes.Findings)}
	return c
}
