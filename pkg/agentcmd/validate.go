package agentcmd

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

func (a *cli) validateCommand() *cobra.Command {
	cmd := a.plainVerb("validate [FILE]", "check a configuration file and the environment, and print all problems", cobra.MaximumNArgs(1), func(_ context.Context, args []string) error {
		if len(args) == 1 {
			a.flags.config = args[0]
		}
		c, file, err := loadConfig(a.flags.config, a.App, a.env)
		if c == nil {
			return err
		}
		a.cfg = c
		// The sections are validated even if the file has errors: one run shows all problems.
		if err := c.check(a.App, file); err != nil {
			return err
		}
		if _, err := c.scanConfig(a.Definitions); err != nil {
			return &ExitError{ExitConfig, err}
		}
		if _, err := a.clientConfig(); err != nil { // which reads the token
			return err
		}
		text := cmp.Or(a.flags.config, "the default configuration") + " is valid\n"
		return a.print(map[string]any{"valid": true, "file": a.flags.config, "warnings": []string{}}, "%s", text)
	})
	cmd.Example = "  {agent} validate agent.yaml"
	return cmd
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
