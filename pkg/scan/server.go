package scan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/scan/pool"
)

// Server describes a scanner that is started once and answers the requests of many scans, which share its instances. A
// definition with a Server runs no process for each scan. Its exit codes, stdout and output_name have no meaning then.
type Server struct {
	// Command is the executable and its arguments. {bin}, {cache}, {isolation} and {offline} stand for the same as in
	// Definition.Args, {config} for a file that holds Definition.Config, and {addr} for the address to listen at, with the
	// transport http. Without a Command the scanner is no server.
	Command []string `yaml:"command"`

	// Transport is stdio for JSON-RPC 2.0 over standard input and output, or http for requests to a loopback port. Defaults
	// to stdio.
	Transport string `yaml:"transport"`

	// Framing says where a message ends with the transport stdio: lines, or content-length as the Language Server Protocol
	// has it. Defaults to lines.
	Framing string `yaml:"framing"`

	// Method is the JSON-RPC method that scans, or with the transport http the path that is posted to.
	Method string `yaml:"method"`

	// Params are the parameters of Method, in JSON. {target} and {output} inside strings stand for the same as in
	// Definition.Args. With {output} the server writes the SARIF there; otherwise the SARIF is its answer.
	Params string `yaml:"params"`

	// Health is the JSON-RPC method, or with the transport http the path that is fetched, by which an idle instance is
	// checked; with http also until it answers after its start. Empty: no check.
	Health string `yaml:"health"`

	// MaxInstances is how many instances may run. Defaults to 3.
	MaxInstances int `yaml:"max_instances"`

	// IdleTimeout is how long an instance without requests is kept. Defaults to 5 minutes; -1 keeps it until the agent ends.
	IdleTimeout time.Duration `yaml:"idle_timeout"`

	// MaxCalls is how many scans an instance serves before it is replaced. Defaults to no bound.
	MaxCalls int `yaml:"max_calls"`

	// MemoryLimitBytes is the memory of an instance above which it is replaced after a scan, and above twice of which it is
	// killed. Defaults to 512 MiB; -1 means no limit.
	MemoryLimitBytes int64 `yaml:"memory_limit_bytes"`
}

// The transports of a Server.
const (
	TransportStdio = "stdio"
	TransportHTTP  = "http"
)

func (s *Server) enabled() bool { return len(s.Command) > 0 }

// fillParams replaces the placeholders of Params. The result is JSON if Params is.
func (s *Server) fillParams(target, output string) json.RawMessage {
	quoted := func(text string) string {
		b, _ := json.Marshal(text) // a string never fails
		return string(b[1 : len(b)-1])
	}
	return json.RawMessage(strings.NewReplacer("{target}", quoted(target), "{output}", quoted(output)).Replace(s.Params))
}

// poolConfig returns the configuration of the servers of d. command has its placeholders filled but for {addr}.
func (s *Server) poolConfig(name string, command, env []string, cfg Config) pool.Config {
	c := pool.Config{
		Name: name, Command: command, Env: env, Framing: pool.Framing(s.Framing), Max: s.MaxInstances, IdleTimeout: s.IdleTimeout,
		MaxCalls: s.MaxCalls, MemoryBytes: s.MemoryLimitBytes, CallTimeout: cfg.Timeout, WaitTimeout: -1, Grace: cfg.Grace,
		MaxMessageBytes: int(min(cfg.MaxOutputBytes, 1<<30)),
	}
	if s.Transport == TransportHTTP {
		c.Network, c.Framing = "http", pool.Lines
	}
	if s.Health != "" {
		c.Health.Method = s.Health
		if s.Transport == TransportHTTP {
			c.Health.Method = "GET " + s.Health
		}
		c.Initialize = func(ctx context.Context, srv *pool.Server) error { return waitHealthy(ctx, srv, c.Health.Method) }
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = -1
	}
	return c
}

// healthPause is the time between two health checks of an instance that is starting.
const healthPause = 100 * time.Millisecond

// waitHealthy returns when the server answers method without an error.
func waitHealthy(ctx context.Context, s *pool.Server, method string) error {
	for {
		err := s.Call(ctx, method, nil, nil)
		var refused *pool.ResponseError
		if !errors.As(err, &refused) {
			return err
		}
		select {
		case <-time.After(healthPause):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", method, err)
		}
	}
}

// servers holds the pools of the scanners that are servers, by name, each from its first scan on.
type servers struct {
	mu     sync.Mutex
	pools  map[string]*pool.Pool
	dirs   []string // private to them, removed by Close
	closed bool
}

// ServerStats returns the numbers of the scanner servers that have been used, by scanner.
func (r *Runner) ServerStats() map[string]pool.Stats {
	r.servers.mu.Lock()
	defer r.servers.mu.Unlock()
	out := map[string]pool.Stats{}
	for name, p := range r.servers.pools {
		out[name] = p.Stats()
	}
	return out
}

// Close stops the servers of scanners. Scans that use one may end until ctx is done; then they are cut. It may be called
// more than once. Scanners that are no servers are not affected.
func (r *Runner) Close(ctx context.Context) {
	r.servers.mu.Lock()
	r.servers.closed = true
	pools, dirs := slices.Collect(maps.Values(r.servers.pools)), r.servers.dirs
	r.servers.dirs = nil
	r.servers.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range pools {
		wg.Go(func() { p.Close(ctx) })
	}
	wg.Wait()
	for _, dir := range dirs {
		_ = removeAll(dir) // what cannot be removed is swept at the next start
	}
}

// server returns the pool of a scanner, started.
func (r *Runner) server(d *Definition) (*pool.Pool, error) {
	r.servers.mu.Lock()
	defer r.servers.mu.Unlock()
	if r.servers.closed {
		return nil, pool.ErrClosed
	}
	if p := r.servers.pools[d.Name]; p != nil {
		return p, nil
	}
	path, err := find(d.Server.Command[0], r.cfg.BinDirs)
	if err != nil {
		return nil, fmt.Errorf("not installed: %w", err)
	}
	dir, err := makeDir(r.cfg.Dir)
	if err != nil {
		return nil, err
	}
	r.servers.dirs = append(r.servers.dirs, dir)
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"work", "tmp", "config"} {
		if err := os.Mkdir(in(name), 0o700); err != nil {
			return nil, err
		}
	}
	configFile := filepath.Join(in("config"), cmp.Or(d.ConfigName, defaultConfigName))
	if err := os.WriteFile(configFile, []byte(d.Config), 0o600); err != nil {
		return nil, err
	}
	args := *d
	args.Args = d.Server.Command[1:]
	inv, err := r.invocation(&args, path, dir)
	if err != nil {
		return nil, err
	}
	inv.places["{config}"] = configFile
	command := append([]string{path}, inv.arguments()...)
	c := d.Server.poolConfig(d.Name, command, environment(inv.env(), in("tmp"), 0), r.cfg)
	c.Dir = in("work") // not the agent's, whose files could configure the server
	p, err := pool.New(c)
	if err != nil {
		return nil, err
	}
	p.SetDefaultSink(r.events)
	if err := p.Start(context.Background()); err != nil { // starts nothing: no instance is kept idle
		return nil, err
	}
	if r.servers.pools == nil {
		r.servers.pools = map[string]*pool.Pool{}
	}
	r.servers.pools[d.Name] = p
	return p, nil
}

// request has a server scan the target and puts its SARIF where a scanner process would have put it.
func (j *scanJob) request(ctx context.Context, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	p, err := j.r.server(&j.def)
	var raw json.RawMessage
	if err == nil {
		err = p.Call(ctx, j.def.Server.Method, j.def.Server.fillParams(j.target, j.output), &raw)
	}
	j.res.Process = &Process{Path: j.path, Cause: CauseExit, Duration: time.Since(j.start), Containment: Containment(proc.Auto)}
	if err != nil {
		return j.serverFailed(ctx, err)
	}
	if _, err := os.Stat(j.target); err != nil && !j.missing {
		j.res.partial(fmt.Sprintf("the target disappeared during the scan: %v", err))
	}
	if strings.Contains(j.def.Server.Params, "{output}") {
		return nil
	}
	if err := os.WriteFile(j.output, raw, 0o600); err != nil {
		return j.fail(CauseReport, err)
	}
	return nil
}

// serverFailed returns the error of a scan whose request failed.
func (j *scanJob) serverFailed(ctx context.Context, err error) error {
	var broken *pool.Error
	var exhausted *pool.ExhaustedError
	cause := CauseExit // the server refused the request, crashed, or wrote what is not a message
	switch {
	case ctx.Err() != nil:
		cause = stopCause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		cause = CauseScanner
	case errors.Is(err, pool.ErrClosed):
		cause = CauseShutdown
	case errors.As(err, &exhausted):
		cause = CauseStart
	case errors.As(err, &broken):
		j.res.StderrTail = broken.Stderr
		cause = serverCauses[broken.Cause]
	}
	return j.fail(cause, err)
}

// serverCauses maps the ends of a server to causes of a failed scan.
var serverCauses = map[pool.Cause]Cause{
	pool.Start: CauseStart, pool.Crash: CauseExit, pool.Timeout: CauseTimeout, pool.Garbage: CauseExit, pool.TooLarge: CauseOutput,
	pool.Flood: CauseOutput, pool.Memory: CauseMemory, pool.Health: CauseStuck, pool.Shutdown: CauseShutdown,
}

// validate reports the problems of a Server through add.
func (s *Server) validate(add func(format string, args ...any)) {
	v := config.New("server")
	if s.Transport != "" {
		v.OneOf("transport", s.Transport, TransportStdio, TransportHTTP)
	}
	if s.Framing != "" {
		v.OneOf("framing", s.Framing, string(pool.Lines), string(pool.ContentLength))
	}
	if s.Transport == TransportHTTP && !strings.HasPrefix(s.Method, "/") {
		v.Addf("method", "%q: want a path that begins with a slash", s.Method)
	} else if s.Method == "" {
		v.Addf("method", "is empty: no request says what to scan")
	}
	if !strings.Contains(s.Params, "{target}") || !json.Valid(s.fillParams("t", "o")) {
		v.Addf("params", "%.80q: want JSON with {target} in a string", s.Params)
	}
	if len(v.Problems()) == 0 {
		v.Nest("", s.poolConfig("x", s.Command, nil, Config{Timeout: DefaultTimeout, MaxOutputBytes: DefaultMaxOutputBytes}).Validate())
	}
	for _, err := range config.All(v.Err()) {
		add("%v", err)
	}
}
