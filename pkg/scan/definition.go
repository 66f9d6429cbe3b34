package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Definition says how one scanner is run and what its exit codes mean. Name and Command must be set.
type Definition struct {
	Name    string `yaml:"name"`    // 1 to 256 characters of A-Z a-z 0-9 _ -
	Command string `yaml:"command"` // the executable: a name to be found, or an absolute path

	// Args are the arguments. {target} stands for the absolute path of what is scanned, {output} for the file
	// the SARIF goes to, {output_dir} for its directory, {config} for a file that holds Config, {cache} for the
	// scanner's own directory that lasts, {bin} for the directory of the executable, links resolved. {isolation} and
	// {offline}, each an argument by itself, stand for the arguments of Isolation and Offline.
	Args []string `yaml:"args"`
	// Config is the content of the configuration file. Passing one keeps a scanner from taking that of the
	// scanned repository, whose author could silence it.
	Config string `yaml:"config"`
	// ConfigName is the name of that file, for scanners that go by its ending. Empty: "config".
	ConfigName string `yaml:"config_name"`
	// Stdout says that the scanner writes SARIF to its standard output; {output} is not used then.
	Stdout bool `yaml:"stdout"`
	// OutputName is the name of the SARIF, for scanners that choose it themselves below {output_dir}. Empty:
	// "report.sarif".
	OutputName string `yaml:"output_name"`
	// OmitsEmpty says that the SARIF has no list of results where nothing was found. With any other scanner that means
	// that what there is to be found is not known.
	OmitsEmpty bool `yaml:"omits_empty"`
	// InTarget runs the scanner with the target as its working directory. Otherwise it is an empty private
	// one, so that configuration files lying in the target are not found by accident.
	InTarget bool `yaml:"in_target"`

	// Needs lists files of which one must lie in the root of a target for the scanner to make sense of it, e.g. go.mod.
	// See Fits. Empty: it takes any target.
	Needs []string `yaml:"needs"`

	ExitCodes ExitCodes `yaml:"exit_codes"`
	// MissingTarget is what the scanner by itself takes a target for that does not exist: "clean" or "error". The
	// agent never gives it one; many would report that nothing was found. Empty: not known.
	MissingTarget string `yaml:"missing_target"`

	// Isolation keeps the scanned repository from configuring its scanner, unless Config.AllowTargetConfig names it. Git that
	// the scanner calls is kept from the hooks and the core.fsmonitor of the repository besides.
	Isolation Flags `yaml:"isolation"`
	// Offline keeps the scanner from the network, where Config.Offline asks for that.
	Offline Flags `yaml:"offline"`
	// Network passes the agent's settings of proxies and certificates on, unless Config.Offline is set.
	Network bool `yaml:"network"`

	// Env adds to the scanner's environment: "K=V" sets a variable, in which placeholders may stand, and "K" passes
	// the agent's on, if it has one. Of two with the same name the later one counts. Besides those the scanner gets
	// PATH, HOME and what else every program needs; nothing of the agent's secrets.
	Env []string `yaml:"env"`
	// VersionArgs make the scanner print its version; it is run with them once for each change of the
	// executable. Empty: the version comes from the Go build information of the executable, or from the SARIF.
	VersionArgs []string `yaml:"version_args"`
	// Database says how to learn the age of what the scanner knows. Empty: it has no database.
	Database Database `yaml:"database"`
	// Type is the type of its findings, e.g. report.TypeSecret, whose code is withheld from reports unless the scanner
	// masked it. Empty: the SARIF reader decides by tool.
	Type string `yaml:"type"`
	// SilencedBy lists files which, where they lie in the root of the target, make the scanner leave something
	// out and which no option turns off. A scan warns of those it finds.
	SilencedBy []string `yaml:"silenced_by"`
	// RefusedBy lists files which, where they lie in the root of the target, make the scanner run code of the target
	// and which no option turns off. Such a target is not scanned, unless Config.AllowTargetConfig names the scanner.
	RefusedBy []string `yaml:"refused_by"`

	// Sample is the kind of small target with a flaw on which Runner.Check tries the scanner: one of SampleKinds.
	// Empty: it is tried on a target without any.
	Sample string `yaml:"sample"`

	// Server makes the scanner one that is started once and answers the requests of many scans.
	Server Server `yaml:"server"`

	MemoryBytes int64 `yaml:"memory_bytes"` // what a scan is expected to need, for admission; 0: unknown
	Slots       int   `yaml:"slots"`        // slots it takes; 0: 1

	Remarks string `yaml:"remarks"` // for people: what it scans, what it needs, what cannot be turned off
}

// ExitCodes say what the codes mean. Every code that is in neither Clean nor Findings is a failure. A code may be in
// several lists: what the SARIF holds then decides.
type ExitCodes struct {
	Clean    []int `yaml:"clean"`    // nothing found; empty: 0
	Findings []int `yaml:"findings"` // something found; empty: none
	Error    []int `yaml:"error"`    // failures that are known: the error of the scan says so
}

// Flags are arguments and environment that a setting adds.
type Flags struct {
	Args []string `yaml:"args"` // in the place of the placeholder
	Env  []string `yaml:"env"`  // as in Definition.Env, after those
}

// Database says where a scanner keeps what it knows of vulnerabilities, or what prints how old that is.
type Database struct {
	Args []string `yaml:"args"` // arguments with which the scanner prints it
	Key  string   `yaml:"key"`  // what stands before the time in what it prints, e.g. "built"; empty: the first time is taken
	File string   `yaml:"file"` // instead of Args: files, as a pattern below {cache}, of which the oldest tells
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

func mentions(args []string, placeholder string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, placeholder) })
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

// Fits says whether the target has one of the files that the scanner needs. A scan of one that does not fit is not
// refused; who chooses scanners for a target leaves those out that do not fit.
func (d *Definition) Fits(target string) bool {
	return len(d.Needs) == 0 || slices.ContainsFunc(d.Needs, func(name string) bool {
		_, err := os.Stat(filepath.Join(target, name))
		return err == nil
	})
}

// clone returns a copy that shares nothing with d.
func (d *Definition) clone() Definition {
	c := *d
	c.ExitCodes = ExitCodes{slices.Clone(d.ExitCodes.Clean), slices.Clone(d.ExitCodes.Findings), slices.Clone(d.ExitCodes.Error)}
	for _, list := range []*[]string{
		&c.Args, &c.Env, &c.VersionArgs, &c.Needs, &c.SilencedBy, &c.RefusedBy, &c.Database.Args,
		&c.Isolation.Args, &c.Isolation.Env, &c.Offline.Args, &c.Offline.Env, &c.Server.Command,
	} {
		*list = slices.Clone(*list)
	}
	return c
}
