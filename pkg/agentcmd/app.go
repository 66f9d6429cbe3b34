package agentcmd

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/scan"
)

// App describes an agent. Only Name must be set.
type App struct {
	// Name is the name of the program in its help, hints and requests, such as "acme-agent".
	Name string

	// Short is the line of help below the name. Defaults to a description of what every agent does.
	Short string

	// Version is the version that the verb version prints and that requests carry. Defaults to "dev".
	Version string

	// Commit is the commit that the verb version prints. Defaults to "unknown".
	Commit string

	// EnvPrefix precedes the name of a setting in its environment variable, as in ACME_AGENT_CHUNK_MAX_RETRIES. Defaults
	// to Name in upper case with underscores, and one more underscore.
	EnvPrefix string

	// StateDir is the directory of everything the agent keeps, unless the operator names another. A leading ~/ is the
	// home directory. Defaults to ~/.NAME.
	StateDir string

	// Scanners are the agent's own scanners in Go, by the name that jobs and --scanner give. They are part of the program,
	// so that they count as installed, and take precedence over definitions with the same name.
	Scanners map[string]agent.Scanner

	// Definitions are scanners that are programs. They are added to the built-in definitions, or replace those with the
	// same name. The operator's definitions replace both.
	Definitions []scan.Definition

	// Uploader returns where reports go. It is called after the configuration has been read; if the Uploader is an
	// io.Closer, it is closed when nothing is uploaded any more, and if it is a fmt.Stringer, its String names the
	// receiver to the operator. Defaults to a client of server.url, or of an ingest server within the agent.
	Uploader func(ctx context.Context, env *Env) (pipeline.Uploader, error)

	// Source returns where the verb run takes jobs from when agent.job_source is "app", which is then the default. If it is
	// an io.Closer, it is closed after the last job. Without Source, jobs come from files or from the server.
	Source func(ctx context.Context, env *Env) (job.Source, error)

	// Sinks get the events of all parts of the agent, after the audit log.
	Sinks []event.Sink

	// Logger gets the same events as log records. Defaults to nothing, or to slog.Default with the flag --verbose.
	Logger *slog.Logger

	// Commands are verbs of the agent's own.
	Commands []Command

	// Config points to a struct of the agent's own settings, which hold their defaults: the section named Section of the
	// configuration file. It is read as strictly as the other sections, and then validated with its method
	// Validate() error, if there is one. An error that begins with the name of a setting, as in "words: want at least one",
	// is shown at that setting; errors.Join reports several. Nil means that there is no such section.
	Config any

	// Section is the key of Config in the configuration file. Defaults to Name up to the first hyphen.
	Section string
}

// withDefaults returns app with its zero fields set.
func (app App) withDefaults() App {
	app.Short = cmp.Or(app.Short, "scan, upload, and never lose a finding")
	app.Version = cmp.Or(app.Version, "dev")
	app.Commit = cmp.Or(app.Commit, "unknown")
	app.EnvPrefix = cmp.Or(app.EnvPrefix, strings.ToUpper(strings.ReplaceAll(app.Name, "-", "_"))+"_")
	app.StateDir = cmp.Or(app.StateDir, "~/."+app.Name)
	if app.Section == "" {
		app.Section, _, _ = strings.Cut(app.Name, "-")
	}
	return app
}

// Main runs the command line of app with the arguments, streams and environment of the process, and exits with its
// exit code.
func Main(app App) {
	a := &cli{App: app.withDefaults(), called: os.Args[0], in: os.Stdin, out: os.Stdout, errw: os.Stderr, env: os.LookupEnv, tty: term.IsTerminal(int(os.Stderr.Fd()))}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}
