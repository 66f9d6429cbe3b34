package agentcmd

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
)

func (a *cli) ingestCommand() *cobra.Command {
	var listen, data, tokens string
	cmd := a.verb("ingest", "run the reference ingest server alone", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		c := &a.cfg.Ingest
		c.Listen, c.Data, c.Tokens = cmp.Or(listen, c.Listen), cmp.Or(data, c.Data), cmp.Or(tokens, c.Tokens)
		ctx, stop := a.untilSignal(ctx, "finishing running requests", func() {})
		defer stop()
		return a.serveIngest(ctx, &a.cfg.Ingest)
	})
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "", "host:port; port 0 selects a free one (default "+defaultListen+")")
	f.StringVar(&data, "data", "", "directory of the store (default: ingest in --state-dir)")
	f.StringVar(&tokens, "tokens", "", "file with one 'token tenant' pair on each line, readable by its owner only")
	cmd.Long = "The reference ingest server. It prints its URL on the first line of standard output and serves until a signal stops it."
	cmd.Example = "  printf '%s demo\\n' \"$(openssl rand -hex 16)\" >tokens && chmod 600 tokens\n  {agent} ingest --listen 127.0.0.1:8080 --data ./data --tokens tokens"
	return cmd
}
