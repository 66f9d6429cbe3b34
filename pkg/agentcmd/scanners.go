package agentcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/scan"
)

// scannerInfo is one line of scanners.
type scannerInfo struct {
	Name      string     `json:"name"`
	Command   string     `json:"command"`
	Installed bool       `json:"installed"`
	Path      string     `json:"path,omitempty"`
	Version   string     `json:"version,omitempty"`
	Database  *time.Time `json:"database,omitempty"` // when the database of the scanner was made
	Problem   string     `json:"database_problem,omitempty"`
	Defined   string     `json:"defined"`          // built in, or the file
	Server    string     `json:"server,omitempty"` // the transport of a scanner that is a server
	Remarks   string     `json:"remarks,omitempty"`
}

// Where a scanner is defined, unless it is in a file.
const (
	builtIn   = "built in"
	inProgram = "part of the program"
)

func (a *cli) scannersCommand() *cobra.Command {
	cmd := a.verb("scanners", "list the scanners: version, age of the database, path", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		s, err := a.newScanner(nil)
		if err != nil {
			return err
		}
		return a.printScanners(a.listScanners(ctx, s))
	})
	cmd.Long = `Lists every scanner: its version and path if it is installed, the age of its database, and where it is defined: built
in, part of the program, or in a file.

Definitions in the configuration file (scanners) take precedence over the directory of definitions
(agent.scanners_dir, by default scanners in --state-dir), and that over the built-in ones.`
	cmd.Example = "  {agent} scanners\n  {agent} scanners show gitleaks\n  {agent} scanners show custom > {state}/scanners/my-linter.yaml"
	show := a.verb("show NAME", "print a definition as YAML, to copy and change; custom is a template", cobra.ExactArgs(1), func(_ context.Context, args []string) error {
		if _, err := a.newScanner(nil); err != nil {
			return err
		}
		return a.showScanner(args[0])
	})
	show.Example = "  {agent} scanners show semgrep > {state}/scanners/semgrep.yaml"
	cmd.AddCommand(show)
	return cmd
}

func (a *cli) listScanners(ctx context.Context, s *scanner) []scannerInfo {
	found := map[string]scan.Found{}
	for _, f := range s.Available(ctx) {
		found[f.Name] = f
	}
	list := []scannerInfo{}
	for _, name := range s.names() {
		if s.own[name] != nil {
			list = append(list, scannerInfo{Name: name, Command: a.Name, Installed: true, Version: a.Version, Defined: inProgram})
			continue
		}
		d, _ := s.Table().Lookup(name)
		f, ok := found[name]
		info := scannerInfo{
			Name: name, Command: d.Command, Installed: ok, Path: f.Path, Version: f.Version, Defined: a.definedIn(name), Remarks: d.Remarks,
		}
		if len(d.Server.Command) > 0 {
			info.Server = cmp.Or(d.Server.Transport, "stdio")
		}
		if ok {
			info.Database, info.Problem = databaseOf(ctx, s.Runner, name)
		}
		list = append(list, info)
	}
	return list
}

// databaseOf returns the date of an installed scanner's database, or why it is unknown, or nothing if there is none.
func databaseOf(ctx context.Context, r *scan.Runner, name string) (*time.Time, string) {
	t, err := r.DatabaseTime(ctx, name)
	switch {
	case errors.Is(err, scan.ErrNoDatabase):
		return nil, ""
	case err != nil:
		return nil, err.Error()
	}
	return &t, ""
}

// definedIn returns where the definition in force is: one of the constants above, or a file.
func (a *cli) definedIn(name string) string {
	is := func(d scan.Definition) bool { return d.Name == name }
	switch path := a.cfg.definitionFile(name); {
	case a.Scanners[name] != nil:
		return inProgram
	case slices.ContainsFunc(a.cfg.Scanners, is):
		return a.flags.config
	case exists(path):
		return path
	case slices.ContainsFunc(a.Definitions, is):
		return inProgram
	}
	return builtIn
}

func (c *settings) definitionFile(name string) string {
	return filepath.Join(c.Agent.ScannersDir, name+".yaml")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (a *cli) printScanners(list []scannerInfo) error {
	if a.json() {
		return a.printJSON(list)
	}
	t := newTable(a.out, "SCANNER", "VERSION", "DATABASE", "PATH", "DEFINED")
	for _, s := range list {
		version := "not installed"
		if s.Installed {
			version = cmp.Or(s.Version, "unknown")
		}
		database := "-"
		if s.Database != nil {
			database = ageText(time.Since(*s.Database))
		} else if s.Problem != "" {
			database = "none yet"
		}
		t.row(s.Name, version, database, cmp.Or(s.Path, "-"), s.Defined)
	}
	return t.flush()
}

// ageText returns the age of a database in words.
func ageText(d time.Duration) string {
	switch hours := int(d.Hours()); {
	case hours < 1:
		return "under an hour"
	case hours < 48:
		return fmt.Sprintf("%d hours", hours)
	default:
		return fmt.Sprintf("%d days", hours/24)
	}
}

func (a *cli) showScanner(name string) error {
	from := a.definedIn(name)
	var text []byte
	switch ok := true; from {
	case a.flags.config:
		return fmt.Errorf("%s is defined in %s, under scanners", name, from)
	case inProgram:
		return fmt.Errorf("%s is part of %s and has no definition to copy", name, a.Name)
	case builtIn:
		if text, ok = scan.BuiltinYAML(name); !ok {
			return Usagef("scanner %q is not in the table; %s scanners lists it", name, a.Name)
		}
	default:
		var err error
		if text, err = configfile.ReadBounded(from); err != nil {
			return err
		}
	}
	_, err := a.out.Write(text)
	return err
}
