// Command example-agent is a scanning daemon built on the SDK, with the scanners that the SDK defines and nothing of its
// own but the name. See examples/ for an agent with a scanner, an uploader and settings of its own.
package main

import "github.com/rediverio/sdk/pkg/agentcmd"

// Set by the linker; see the Makefile.
var (
	version = "dev"
	commit  = "unknown"
)

func main() {
	agentcmd.Main(agentcmd.App{
		Name:      "example-agent",
		Version:   version,
		Commit:    commit,
		EnvPrefix: "REDIVER_",
		StateDir:  "~/.rediver",
	})
}
