package agentcmd

import (
	"context"
	"flag"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits/transport"
)

// Command is a verb of an agent's own.
type Command struct {
	// Name is the verb, and Args how its arguments are shown in the help, such as "FILE…". A verb with empty Args takes none.
	Name, Args string

	// Short is one line of help; Long, if it is set, replaces it in the help of the verb. Example shows command lines,
	// each indented by two spaces. In all of them {agent} stands for the name of the agent.
	Short, Long, Example string

	// Flags defines the flags of the verb. Nil means that it has none.
	Flags func(*flag.FlagSet)

	// Run executes the verb after the configuration has been read and validated. An error that is not an *ExitError ends
	// the program with ExitRuntime.
	Run func(ctx context.Context, env *Env, args []string) error
}

// Env is what the agent gives to a Command, an Uploader and a job source of its own.
type Env struct {
	AgentID  string // AgentID is the name of this agent in events and requests.
	TenantID string // TenantID is the tenant of jobs that name none.
	StateDir string // StateDir is the absolute directory of everything the agent keeps; it may not exist yet.

	In  io.Reader // In is standard input.
	Out io.Writer // Out takes results.
	Err io.Writer // Err takes progress and diagnostics.

	JSON bool // JSON reports whether the operator asked for JSON.

	// HTTP is a client within the agent's network limits.
	HTTP *http.Client

	// Sink takes events. It is the audit log and all other sinks, or drops events if no agent runs, as in a Command.
	Sink event.Sink

	a *cli
}

// Print prints v as JSON if the operator asked for JSON, and otherwise text. Nothing in text reaches a terminal that could
// move its cursor or hide other text.
func (e *Env) Print(v any, text string) error { return e.a.print(v, "%s", text) }

// newEnv returns the Env of an agent whose configuration has been read.
func (a *cli) newEnv(sink event.Sink, rt *transport.RoundTripper) *Env {
	c := a.cfg.Agent
	return &Env{
		AgentID: c.ID, TenantID: c.TenantID, StateDir: c.StateDir, In: a.in, Out: a.out, Err: a.errw, JSON: a.json(),
		HTTP: &http.Client{Transport: rt}, Sink: event.OrNop(sink), a: a,
	}
}

// ownCommand returns the cobra command of a verb of the agent's own.
func (a *cli) ownCommand(c Command) *cobra.Command {
	args, use := cobra.NoArgs, c.Name
	if c.Args != "" {
		args, use = cobra.ArbitraryArgs, c.Name+" "+c.Args
	}
	cmd := a.verb(use, c.Short, args, func(ctx context.Context, args []string) error {
		rt, err := transport.New(a.cfg.Limits.Network, nil)
		if err != nil {
			return err
		}
		return c.Run(ctx, a.newEnv(nil, rt), args)
	})
	cmd.Long, cmd.Example = c.Long, c.Example
	if c.Flags != nil {
		f := flag.NewFlagSet(c.Name, flag.ContinueOnError)
		c.Flags(f)
		cmd.Flags().AddGoFlagSet(f)
	}
	return cmd
}
