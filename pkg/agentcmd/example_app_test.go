package agentcmd

import "github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"

// exampleApp is the agent that the tests run: the one of cmd/example-agent.
var exampleApp = App{Name: "example-agent", EnvPrefix: "REDIVER_", StateDir: "~/.rediver"}.withDefaults()

// leaves returns the settings of c.
func leaves(c *settings) []configfile.Setting { return configfile.Leaves(exampleApp.settings(c)) }
