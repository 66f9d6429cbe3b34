// Command acme-agent is an agent with everything of its own that an agent can have: a scanner in Go, an uploader, a
// section in the configuration file and a verb. Everything else comes with agentcmd.Main. docs/how-to/build-your-own-agent.md
// walks through it.
package main

import (
	"context"
	"strings"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/agentcmd"
	"github.com/rediverio/sdk/pkg/pipeline"
)

func main() {
	cfg := &settings{Words: []string{"FIXME", "do not merge"}, MaxFileMB: 1}
	agentcmd.Main(agentcmd.App{
		Name:     "acme-agent",
		Version:  "1.0.0",
		Config:   cfg, // the section "acme" of the configuration file
		Scanners: map[string]agent.Scanner{"words": &words{cfg}},
		Uploader: func(_ context.Context, env *agentcmd.Env) (pipeline.Uploader, error) {
			return openOutbox(cfg.outboxPath(env))
		},
		Commands: []agentcmd.Command{{
			Name:  "words",
			Short: "list the words that the scanner looks for",
			Run: func(_ context.Context, env *agentcmd.Env, _ []string) error {
				return env.Print(cfg.Words, strings.Join(cfg.Words, "\n")+"\n")
			},
		}},
	})
}
