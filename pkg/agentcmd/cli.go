package agentcmd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
)

// cli is one run of the program.
type cli struct {
	App
	called string // the name by which the program was called, for hints that can be pasted
	in     io.Reader
	out    io.Writer // results
	errw   io.Writer // progress and errors
	env    func(string) (string, bool)
	tty    bool // errw is a terminal

	flags struct {
		stateDir, config, output, server, tokenFile string
		verbose                                     bool
	}
	cfg  *settings
	file *configfile.File
}

// main runs the command line and returns the exit code.
func (a *cli) main(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errw)
	err := root.ExecuteContext(ctx)
	if exitCode(err) == exitNone { // no verb returned it, but cobra
		err = &ExitError{ExitUsage, err}
	}
	if e, ok := errors.AsType[*ExitError](err); err != nil && !(ok && e.Err == nil) {
		a.say("%s: %v", a.Name, err)
		if exitCode(err) == ExitUsage {
			a.say("Run '%s --help' for usage.", a.Name)
		}
	}
	return exitCode(err)
}

func (a *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   a.Name,
		Short: a.Short,
		Long: `{agent} runs security scanners under supervision and uploads what they find.

Every flag has an environment variable ({ENV}STATE_DIR, {ENV}SERVER, …), and so has every setting of the
configuration file ({ENV}CHUNK_MAX_STORAGE_MB, …). Flags take precedence over the environment, the environment over
the file, and the file over the defaults.

Exit codes: 0 ok · 1 findings at or over --fail-on · 2 runtime failure · 64 usage · 65 the audit log is not whole ·
69 server unavailable, everything is kept for next time · 78 configuration`,
		Example: `  {agent} scan .                                 # with every scanner that is installed
  {agent} scan --scanner gitleaks --fail-on high ~/src/app
  {agent} import results.sarif                   # or - for standard input
  {agent} findings --min-severity high
  {agent} run --config agent.yaml                # the daemon
  {agent} status                                 # the state of the daemon
  {agent} doctor                                 # check the installation`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.checkOutput(cmd.Name()) },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.flags.stateDir, "state-dir", "", "directory of everything the agent keeps (default {state})")
	f.StringVar(&a.flags.config, "config", "", "configuration file, YAML")
	f.StringVarP(&a.flags.output, "output", "o", "", "table or json, for findings also sarif (default table)")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "print more, and log all events on standard error")
	f.StringVar(&a.flags.server, "server", "", "URL of the server (default: an ingest server within the agent)")
	f.StringVar(&a.flags.tokenFile, "token-file", "", "file with the server's bearer token")
	root.AddCommand(a.scanCommand(), a.importCommand(), a.runCommand(), a.ingestCommand(), a.findingsCommand(),
		a.queueCommand(), a.auditCommand(), a.statusCommand(), a.scannersCommand(), a.doctorCommand(), a.watchCommand(), a.validateCommand(), a.versionCommand())
	for _, c := range a.Commands {
		root.AddCommand(a.ownCommand(c))
	}
	a.fillIn(root)
	return root
}

// fillIn replaces the placeholders in the help of cmd and of the commands below it with the names of the agent.
func (a *cli) fillIn(cmd *cobra.Command) {
	names := strings.NewReplacer("{agent}", a.Name, "{ENV}", a.EnvPrefix, "{state}", a.StateDir)
	cmd.Short, cmd.Long, cmd.Example = names.Replace(cmd.Short), names.Replace(cmd.Long), names.Replace(cmd.Example)
	fill := func(f *pflag.Flag) { f.Usage = names.Replace(f.Usage) }
	cmd.PersistentFlags().VisitAll(fill)
	cmd.Flags().VisitAll(fill)
	for _, sub := range cmd.Commands() {
		a.fillIn(sub)
	}
}

// getenv returns the environment variable with this name after the prefix of the agent, or an empty string.
func (a *cli) getenv(name string) string {
	text, _ := a.env(a.EnvPrefix + name)
	return text
}

// checkOutput applies the environment to the flags that are not settings, and validates --output.
func (a *cli) checkOutput(command string) error {
	f := &a.flags
	f.output = cmp.Or(f.output, a.getenv("OUTPUT"), "table")
	f.config = cmp.Or(f.config, a.getenv("CONFIG"))
	switch {
	case f.output == "table", f.output == "json", f.output == outputSARIF && command == "findings":
		return nil
	case f.output == outputSARIF:
		return Usagef("--output sarif: only findings are written as SARIF")
	}
	return Usagef("--output %q: want table or json", f.output)
}

func (a *cli) json() bool { return a.flags.output == "json" }

// load reads the configuration, applies the flags, and validates the result.
func (a *cli) load() error {
	c, file, err := loadConfig(a.flags.config, a.App, a.env)
	if err != nil {
		return err
	}
	c.Agent.StateDir = cmp.Or(a.flags.stateDir, a.getenv("STATE_DIR"), c.Agent.StateDir)
	c.Server.URL = cmp.Or(a.flags.server, a.getenv("SERVER"), c.Server.URL)
	c.Server.TokenFile = cmp.Or(a.flags.tokenFile, a.getenv("TOKEN_FILE"), c.Server.TokenFile)
	a.cfg, a.file = c, file
	return c.check(a.App, file)
}

type runFunc = func(ctx context.Context, args []string) error

// plainVerb returns a command that needs no configuration. An error without an exit code ends it with ExitRuntime.
func (a *cli) plainVerb(use, short string, args cobra.PositionalArgs, run runFunc) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		err := run(cmd.Context(), args)
		if err != nil && exitCode(err) == exitNone {
			err = &ExitError{ExitRuntime, err}
		}
		return err
	}}
}

// verb returns a command that runs after the configuration has been loaded.
func (a *cli) verb(use, short string, args cobra.PositionalArgs, run runFunc) *cobra.Command {
	return a.plainVerb(use, short, args, func(ctx context.Context, args []string) error {
		if err := a.load(); err != nil {
			return err
		}
		return run(ctx, args)
	})
}

// verbs returns a command that has verbs of its own.
func verbs(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return Usagef("%s %s: want one of %s%s", use, args[0], strings.Join(names, ", "), configfile.Hint(args[0], names))
	}}
}
