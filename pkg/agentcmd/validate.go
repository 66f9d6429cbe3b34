package agentcmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

func (a *cli) validateCommand() *cobra.Command {
	cmd := a.verb("validate [FILE]", "check a configuration file and the environment, all problems at once", cobra.MaximumNArgs(1), func(_ context.Context, args []string) error {
		if len(args) == 1 {
			a.flags.config = args[0]
		}
		c, file, err := loadConfig(a.flags.config, a.App, a.env)
		if c == nil {
			return err
		}
		// The sections are judged also when the file has errors: one run shows everything.
		if err := c.check(a.App, file); err != nil {
			return err
		}
		if _, err := c.scanConfig(); err != nil {
			return &exitError{exitConfig, err}
		}
		if c.Server.TokenFile != "" {
			if _, err := readToken(c.Server.TokenFile); err != nil {
				return &exitError{exitConfig, fmt.Errorf("server.token_file: %w", err)}
			}
		}
		warnings := []string{}
		for _, w := range c.warnings() {
			warnings = append(warnings, w.Error())
		}
		if a.json() {
			return a.printJSON(map[string]any{"valid": true, "file": a.flags.config, "warnings": warnings})
		}
		for _, w := range warnings {
			fmt.Fprintf(a.out, "warning: %s\n", w)
		}
		fmt.Fprintf(a.out, "%s is valid\n", cmp.Or(a.flags.config, "the default configuration"))
		return nil
	})
	cmd.Example = "  {agent} validate agent.yaml"
	return cmd
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
