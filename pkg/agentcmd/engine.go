package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/watch"
)

// engine is an agent with everything around it: the wiring of the SDK.
type engine struct {
	app    *cli
	cfg    *Config
	log    *audit.Logger
	store  *chunk.Manager
	local  *localServer // nil when there is a server
	client *ingest.Client
	agent  *agent.Agent
	undo   func() // of the memory limits

	transport *limits.RoundTripper // of all requests
	space     *limits.Space        // of the disk of the state directory
	heap      *limits.HeapGuard    // nil without limits.memory.heap_guard
	jobLimits resource.ControllerConfig

	containment scan.Contained // of scanners, once there is a runner

	watcher *watch.Watcher // of the daemon; nil otherwise
}

// newEngine wires an agent; build gives it a source and a scanner. What it opened is closed again when it fails.
func (a *cli) newEngine(ctx context.Context, build func(*engine, *agent.Config) error) (_ *engine, err error) {
	c := a.cfg
	e := &engine{app: a, cfg: c, undo: func() {}, space: limits.NewSpace(c.Limits.FileSystem, c.Agent.StateDir)}
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
	// 1. The audit log hears of everything, directly: no queue that drops stands between.
	lc := c.Audit
	lc.Output = a.errw
	e.transport = limits.Transport(c.Limits.Network, nil)
	lc.RemoteTransport = e.transport
	if c.Server.TokenFile != "" {
		lc.RemoteToken = tokenFile(c.Server.TokenFile)
	}
	if e.log, err = audit.NewLogger(&lc); err != nil {
		return nil, err
	}
	e.log.Start()

	// 2. The chunk store makes reports durable.
	cc := c.Chunk
	cc.Sink = e.log
	if cc.Destination == "" {
		cc.Destination = c.destination()
	}
	if e.store, err = chunk.NewManager(&cc); err != nil {
		return nil, err
	}

	// 3. The uploader: the server's client, with the network limits below it.
	if err := e.connect(); err != nil {
		return nil, err
	}

	// 4. The agent ties source, scanner and pipeline together.
	e.jobLimits = c.Limits.ControllerConfig(c.Resource)
	ac := agent.Config{
		TenantID: c.Agent.TenantID, Version: a.Version, Uploader: e.client, Pipeline: c.Pipeline, Resource: e.jobLimits,
		PollWait: c.Agent.PollWait, RetryDelay: c.Agent.RetryDelay, MaxAttempts: c.Agent.MaxAttempts, DrainTimeout: c.Agent.DrainTimeout,
		FlushTimeout: c.Agent.Wait, Sink: e.log,
	}
	ac.Pipeline.Spool, ac.Pipeline.Sink, ac.Resource.Sink = e.store, e.log, e.log
	ac.Resource.Gate = e.gate
	ac.Pipeline.Verbose = ac.Pipeline.Verbose || a.flags.verbose
	if err := build(e, &ac); err != nil {
		return nil, err
	}
	if e.agent, err = agent.New(ac); err != nil {
		return nil, err
	}
	e.undo = memory.Apply()
	a.warn(e)
	return e, nil
}

// connect makes the client, and the ingest server of the agent's own where no other is named.
func (e *engine) connect() (err error) {
	s := e.cfg.Server
	cc := ingest.ClientConfig{BaseURL: s.URL, AgentID: e.cfg.Agent.ID, Paths: s.Paths, MaxRetryAfter: s.MaxRetryAfter, UserAgent: e.app.Name + "/" + e.app.Version}
	if s.URL == "" {
		if e.local, err = startLocalServer(e.cfg, e.log); err != nil {
			return err
		}
		cc.BaseURL, cc.Token = e.local.url, e.local.token
	} else if s.TokenFile != "" {
		if _, err := readToken(s.TokenFile); err != nil {
			return &exitError{exitConfig, fmt.Errorf("token file: %w", err)}
		}
		cc.TokenSource = tokenFile(s.TokenFile).Token
	}
	cc.HTTPClient = &http.Client{Transport: e.transport}
	e.client, err = ingest.NewClient(cc)
	return err
}

// close ends everything, in the opposite order, so that what is closed later still hears what is closed before.
func (e *engine) close() error {
	var errs []error
	if e.client != nil {
		e.client.Close()
	}
	if e.local != nil {
		errs = append(errs, e.local.stop())
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	if e.log != nil {
		errs = append(errs, e.log.Stop())
	}
	e.undo()
	return errors.Join(errs...)
}

// tokenFile is a file that holds the agent's token, read anew for each use.
type tokenFile string

// Token returns what the file holds.
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
