package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/limits/transport"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/watch"
)

// engine is an agent with everything around it: the wiring of the SDK.
type engine struct {
	a        *cli
	cfg      *settings
	log      *audit.Logger
	sink     event.Sink // the audit log and the other sinks
	agent    *agent.Agent
	store    *chunk.Manager
	local    *localServer   // nil if there is a server or an uploader of the agent's own
	client   *ingest.Client // nil if there is an uploader of the agent's own and no server
	uploader pipeline.Uploader

	transport *transport.RoundTripper // the transport of all requests
	checkDisk func() error            // checked before each scan of a one-shot command; nil in the daemon, whose degradation pauses it
	heap      *limits.HeapGuard       // nil without limits.memory.heap_guard
	undo      func()                  // lifts the memory limits
	jobLimits resource.ControllerConfig

	scanner *scanner       // nil in an import
	watcher *watch.Watcher // nil in one-shot commands

	closers []func() error // in the order in which the parts were opened
}

// newEngine wires an agent. build gives it a source and a scanner. If it fails, everything is closed.
func (a *cli) newEngine(ctx context.Context, build func(*engine, *agent.Config) error) (_ *engine, err error) {
	c := a.cfg
	e := &engine{a: a, cfg: c, undo: func() {}}
	if e.transport, err = transport.New(c.Limits.Network, nil); err != nil {
		return nil, err
	}
	memory := heapLimits(ctx, c.Limits.Memory)
	if memory.HeapGuard {
		e.heap = limits.NewHeapGuard(memory)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if err := os.MkdirAll(c.Agent.StateDir, 0o700); err != nil {
		return nil, err
	}
	// 1. The audit log gets every event directly: no queue that drops stands between.
	lc := c.Audit
	lc.Logger, lc.RemoteTransport = slog.New(slog.NewTextHandler(a.errw, nil)), e.transport
	if c.Server.TokenFile != "" {
		lc.RemoteToken = tokenFile(c.Server.TokenFile)
	}
	if e.log, err = audit.NewLogger(&lc); err != nil {
		return nil, err
	}
	e.log.Start()
	e.onClose(e.log.Stop)
	sink := a.sink(e.log)
	bus, err := event.NewBus(event.BusConfig{})
	if err != nil {
		return nil, err
	}
	e.sink = event.Tee(sink, bus)

	// 2. The chunk store makes reports durable.
	cc := c.Chunk
	cc.Sink = e.sink
	if cc.Destination == "" {
		cc.Destination = e.destination()
	}
	if e.store, err = chunk.NewManager(&cc); err != nil {
		return nil, err
	}
	e.onClose(e.store.Close)

	// 3. The uploader: the agent's own, or a client of the server, with the network limits below it.
	if err := e.connect(ctx); err != nil {
		return nil, err
	}

	// 4. The agent ties source, scanner and pipeline together.
	if e.jobLimits, err = c.Limits.ControllerConfig(c.Resource); err != nil {
		return nil, err
	}
	ac := agent.Config{
		TenantID: c.Agent.TenantID, Version: a.Version, Uploader: e.uploader, Pipeline: c.Pipeline, Resource: e.jobLimits,
		PollWait: c.Agent.PollWait, RetryDelay: c.Agent.RetryDelay, MaxAttempts: c.Agent.MaxAttempts, DrainTimeout: c.Agent.DrainTimeout,
		FlushTimeout: c.Agent.Wait, Sink: sink, Bus: bus,
	}
	ac.Pipeline.Spool, ac.Resource.Gate = e.store, e.gate
	if err := build(e, &ac); err != nil {
		return nil, err
	}
	if e.agent, err = agent.New(ac); err != nil {
		return nil, err
	}
	e.undo = memory.Apply()
	return e, nil
}

// sink returns the sink of all events: the audit log, unless it is nil, and those of the App.
func (a *cli) sink(log *audit.Logger) event.Sink {
	out := slices.Clone(a.Sinks)
	if log != nil {
		out = slices.Insert(out, 0, event.Sink(log))
	}
	switch {
	case a.Logger != nil:
		out = append(out, event.Slog(a.Logger))
	case a.flags.verbose:
		out = append(out, event.Slog(slog.Default()))
	}
	return event.Tee(out...)
}

// onClose adds a step that close takes.
func (e *engine) onClose(f func() error) { e.closers = append(e.closers, f) }

// connect makes the client of the server, and the uploader. Where neither a server nor an uploader of the agent's own is
// there, it starts an ingest server.
func (e *engine) connect(ctx context.Context) (err error) {
	if e.a.Uploader != nil {
		if e.uploader, err = e.a.Uploader(ctx, e.a.newEnv(e.sink, e.transport.WithoutBreaker())); err != nil {
			return fmt.Errorf("uploader: %w", err)
		}
		if c, ok := e.uploader.(io.Closer); ok {
			e.onClose(c.Close)
		}
		if e.cfg.Server.URL == "" {
			return nil
		}
	}
	cc, err := e.a.clientConfig()
	if err != nil {
		return err
	}
	cc.HTTPClient = &http.Client{Transport: e.transport.WithoutBreaker()} // the pipeline pauses uploads, the source its polls
	if cc.BaseURL == "" {
		if e.local, err = startLocalServer(e.cfg, e.sink); err != nil {
			return err
		}
		e.onClose(e.local.stop)
		cc.BaseURL, cc.Token = e.local.url, e.local.token
	}
	if e.client, err = ingest.NewClient(cc); err != nil {
		return err
	}
	e.onClose(func() error { e.client.Close(); return nil })
	if e.uploader == nil {
		e.uploader = e.client
	}
	return nil
}

// clientConfig returns the configuration of a client of the configured server.
func (a *cli) clientConfig() (cc ingest.ClientConfig, err error) {
	s := a.cfg.Server
	cc = ingest.ClientConfig{BaseURL: s.URL, AgentID: a.cfg.Agent.ID, Paths: s.Paths, MaxRetryAfter: s.MaxRetryAfter, UserAgent: a.Name + "/" + a.Version}
	if s.URL != "" && s.TokenFile != "" {
		if _, err = readToken(s.TokenFile); err != nil {
			return cc, &ExitError{ExitConfig, fmt.Errorf("server.token_file: %w", err)}
		}
		cc.TokenSource = tokenFile(s.TokenFile).Token
	}
	return cc, nil
}

// newClient returns a client of the configured server, for a command that needs no agent.
func (a *cli) newClient() (*ingest.Client, error) {
	cc, err := a.clientConfig()
	if err != nil {
		return nil, err
	}
	rt, err := transport.New(a.cfg.Limits.Network, nil)
	if err != nil {
		return nil, err
	}
	cc.HTTPClient = &http.Client{Transport: rt}
	c, err := ingest.NewClient(cc)
	if err != nil {
		return nil, &ExitError{ExitConfig, err}
	}
	return c, nil
}

// close ends everything in the reverse order of its opening, so that the audit log, which is opened first, records what
// happens until the end.
func (e *engine) close() error {
	var errs []error
	for len(e.closers) > 0 {
		last := len(e.closers) - 1
		errs = append(errs, e.closers[last]())
		e.closers = e.closers[:last]
	}
	e.undo()
	return errors.Join(errs...)
}

// destination names the receiver of reports, the same at every start. Receipts in the store are valid for it alone.
func (e *engine) destination() string {
	switch c := e.cfg; {
	case e.a.Uploader != nil:
		return e.a.Name + " uploader"
	case c.Server.URL != "":
		return strings.TrimRight(c.Server.URL, "/")
	default:
		return "ingest store " + c.Ingest.Data // its port is another one at each start
	}
}

// where names the receiver of reports for the operator.
func (e *engine) where() string {
	switch {
	case e.a.Uploader != nil:
		if s, ok := e.uploader.(fmt.Stringer); ok {
			return s.String()
		}
		return "the uploader of " + e.a.Name
	case e.local != nil:
		return "its own ingest store in " + e.cfg.Ingest.Data
	default:
		return e.cfg.Server.URL
	}
}

// tokenFile is a file that holds the agent's token, read anew for each use.
type tokenFile string

// Token returns the content of the file.
func (f tokenFile) Token(context.Context) (string, error) { return readToken(string(f)) }

// readToken reads a token that only its owner may read.
func readToken(path string) (string, error) {
	path, err := expandHome(path)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s has mode %04o: others can read it; chmod 600 it", filepath.Clean(path), st.Mode().Perm())
	}
	b, err := configfile.ReadBounded(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%s: want one token and nothing else", path)
	}
	return token, nil
}
