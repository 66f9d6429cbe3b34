// Command example-agent is a scanning daemon built on the SDK, and its wiring diagram: scan and import do one
// job from end to end, run is the daemon, ingest the receiving side.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func main() {
	a := &app{name: os.Args[0], in: os.Stdin, out: os.Stdout, errw: os.Stderr, env: os.LookupEnv, tty: term.IsTerminal(int(os.Stderr.Fd()))}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

// app is one run of the program.
type app struct {
	name string // as it was called, for hints
	in   io.Reader
	out  io.Writer // results
	errw io.Writer // progress and errors
	env  func(string) (string, bool)
	tty  bool // errw is a terminal

	flags struct {
		stateDir, config, output, server, tokenFile string
		verbose                                     bool
	}
	cfg    *Config
	origin *reader
}

// main runs the command line and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errw)
	err := root.ExecuteContext(ctx)
	var e *exitError
	if err != nil && !(errors.As(err, &e) && e.err == nil) {
		fmt.Fprintf(a.errw, "example-agent: %v\n", err)
		if exitCode(err) == exitUsage {
			fmt.Fprintln(a.errw, "Run 'example-agent --help' for usage.")
		}
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "example-agent",
		Short: "scan, upload, and never lose a finding",
		Long: `example-agent runs security scanners under supervision and uploads what they find.

Every flag has an environment variable (REDIVER_STATE_DIR, REDIVER_SERVER, …) and every setting of the
configuration file another (REDIVER_CHUNK_MAX_STORAGE_MB, …). Flags go before the environment, the environment
before the file, the file before the defaults.

Exit codes: 0 ok · 1 findings at or over --fail-on · 2 runtime failure · 64 usage · 65 the audit log is not whole ·
69 server unavailable, everything is kept for next time · 78 configuration`,
		Example: `  example-agent scan .                                 # with every scanner that is installed
  example-agent scan --scanner gitleaks --fail-on high ~/src/app
  example-agent import results.sarif                   # or - for standard input
  example-agent findings --min-severity high
  example-agent run --config agent.yaml                # the daemon
  example-agent status                                 # what the daemon does
  example-agent doctor                                 # whether everything is in place`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.checkOutput(cmd.Name()) },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.flags.stateDir, "state-dir", "", "directory of everything the agent keeps (default ~/.rediver)")
	f.StringVar(&a.flags.config, "config", "", "configuration file, YAML")
	f.StringVarP(&a.flags.output, "output", "o", "", "table or json, of findings also sarif (default table)")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "say more on standard error")
	f.StringVar(&a.flags.server, "server", "", "URL of the server (default: an ingest server of the agent's own)")
	f.StringVar(&a.flags.tokenFile, "token-file", "", "file with the server's bearer token")
	root.AddCommand(a.scanCommand(), a.importCommand(), a.runCommand(), a.ingestCommand(), a.findingsCommand(),
		a.queueCommand(), a.auditCommand(), a.statusCommand(), a.scannersCommand(), a.doctorCommand(), a.watchCommand(), a.validateCommand(), a.versionCommand())
	return root
}

// checkOutput applies the environment to the flags that are in no file.
func (a *app) checkOutput(command string) error {
	if a.flags.output == "" {
		a.flags.output, _ = a.env("REDIVER_OUTPUT")
	}
	if a.flags.config == "" {
		a.flags.config, _ = a.env("REDIVER_CONFIG")
	}
	switch a.flags.output {
	case "":
		a.flags.output = "table"
	case "table", "json":
	case outputSARIF:
		if command != "findings" {
			return usage("--output sarif: only findings are written as SARIF")
		}
	default:
		return usage("--output %q: want table or json", a.flags.output)
	}
	return nil
}

// called is how the program was called, for hints that can be pasted.
func (a *app) called() string { return cmp.Or(a.name, "example-agent") }

func (a *app) json() bool { return a.flags.output == "json" }

// load reads the configuration and applies the flags.
func (a *app) load() error {
	c, origin, err := loadConfig(a.flags.config, a.env)
	if err != nil {
		return err
	}
	for _, o := range []struct {
		flag, env string
		into      *string
	}{
		{a.flags.stateDir, "REDIVER_STATE_DIR", &c.Agent.StateDir},
		{a.flags.server, "REDIVER_SERVER", &c.Server.URL},
		{a.flags.tokenFile, "REDIVER_TOKEN_FILE", &c.Server.TokenFile},
	} {
		if o.flag == "" {
			o.flag, _ = a.env(o.env)
		}
		if o.flag != "" {
			*o.into = o.flag
		}
	}
	if a.flags.verbose {
		c.Audit.Verbose = true
	}
	a.cfg, a.origin = c, origin
	return origin.check(c)
}

// command makes a cobra command whose errors are runtime failures unless they say otherwise.
func (a *app) command(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		err := run(cmd.Context(), args)
		var e *exitError
		var c *configError
		if err == nil || errors.As(err, &e) || errors.As(err, &c) {
			return err
		}
		return &exitError{exitRuntime, err}
	}}
}

// verbs makes a cobra command that has verbs of its own.
func verbs(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		hint := ""
		if near := nearest(args[0], names); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return usage("%s %s: want one of %s%s", use, args[0], strings.Join(names, ", "), hint)
	}}
}

// say prints a line for the operator.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.errw, format+"\n", args...) }
