package agentcmd

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/homedir"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/watch"
)

// Config is the configuration file: a section for each package, with the package's own fields.
type Config struct {
	Agent    AgentConfig
	Server   ServerConfig
	Chunk    chunk.Config
	Pipeline pipeline.PipelineConfig
	Resource resource.ControllerConfig
	Audit    audit.LoggerConfig
	Limits   limits.Limits
	Scan     scan.Config
	Scanners []scan.Definition // added to the built-in ones and those of agent.scanners_dir, or in place of one with the same name
	Watch    watch.Config      // what the agent looks after besides its own work, while run is up; nothing without rules, dirs and orphans
	Ingest   IngestConfig
}

// AgentConfig is what concerns the agent as a whole.
type AgentConfig struct {
	ID       string   // name of this agent in events and requests; default: the host's name
	TenantID string   // tenant of jobs that name none
	StateDir string   // directory of everything the agent keeps; default ~/.NAME
	Scanners []string // scanners that scan uses; default: all that are installed
	// ScannersDir holds definitions of scanners, each in a file NAME.yaml with the keys of an entry of scanners: added to
	// the built-in ones, or in place of the one with the same name. Default scanners in StateDir.
	ScannersDir string

	JobSource  string // where run takes jobs from: dir (files in JobDir) or server (its commands); default dir
	JobDir     string // default jobs in StateDir
	StatusAddr string // where run answers status: a path of a unix socket, or a loopback host:port; default agent.sock in StateDir

	Wait         time.Duration // how long scan and import wait for uploads; default 30s
	PollWait     time.Duration // how long run waits for a job at its source; default 30s
	RetryDelay   time.Duration // before a job that failed for a passing reason is tried again; default 1m
	MaxAttempts  int           // tries of such a job; default 3
	DrainTimeout time.Duration // how long running jobs may go on once run is asked to end; default 5m
}

// ServerConfig is where reports go.
type ServerConfig struct {
	URL           string        // of the platform; empty: an ingest server of the agent's own, on a loopback port
	TokenFile     string        // file with the bearer token, readable by its owner only; read again when a token is refused
	Paths         ingest.Paths  // of the API; default: the platform's
	MaxRetryAfter time.Duration // cap of what the server may ask to wait; default 15m
}

// IngestConfig is the reference ingest server.
type IngestConfig struct {
	Listen        string        // host:port; default 127.0.0.1:8080
	Data          string        // directory of its store; default ingest in StateDir
	Tokens        string        // file of "token tenant" lines, readable by its owner only
	Admins        []string      // tenants whose statistics are those of all
	IncompleteAge time.Duration // how long an incomplete report waits for its next part; default 168h; -1ns: for ever
	Limits        server.Limits
}

// Defaults of the sections that are not a package's.
const (
	defaultWait     = 30 * time.Second
	defaultListen   = "127.0.0.1:8080"
	jobSourceDir    = "dir"
	jobSourceServer = "server"
	jobSourceApp    = "app" // App.Source
)

// defaultConfig returns the configuration of an empty file.
func defaultConfig(app App) *Config {
	c := &Config{
		Agent: AgentConfig{
			StateDir: app.StateDir, JobSource: jobSourceDir, Wait: defaultWait, PollWait: agent.DefaultPollWait,
			RetryDelay: agent.DefaultRetryDelay, MaxAttempts: agent.DefaultMaxAttempts, DrainTimeout: agent.DefaultDrainTimeout,
		},
		Server:   ServerConfig{MaxRetryAfter: ingest.DefaultMaxRetryAfter},
		Chunk:    *chunk.DefaultConfig(),
		Pipeline: *pipeline.DefaultPipelineConfig(),
		Resource: *resource.DefaultControllerConfig(),
		Audit:    *audit.DefaultLoggerConfig(),
		Limits:   limits.DefaultLimits(),
		Ingest:   IngestConfig{Listen: defaultListen, IncompleteAge: server.DefaultIncompleteAge},
	}
	if app.Source != nil {
		c.Agent.JobSource = jobSourceApp
	}
	// Unset, these lie in StateDir, wherever that is.
	c.Chunk.DatabasePath, c.Audit.LogFile = "", ""
	return c
}

// complete fills what depends on other fields: the paths below StateDir, the names.
func (c *Config) complete() error {
	dir, err := expandHome(c.Agent.StateDir)
	if err != nil {
		return err
	}
	c.Agent.StateDir = dir
	for _, p := range []struct {
		path *string
		name string
	}{
		{&c.Agent.JobDir, "jobs"}, {&c.Agent.StatusAddr, "agent.sock"}, {&c.Chunk.DatabasePath, "chunks.db"},
		{&c.Audit.LogFile, "audit.log"}, {&c.Scan.Dir, "scans"}, {&c.Scan.CacheDir, "caches"}, {&c.Agent.ScannersDir, "scanners"}, {&c.Scan.LearnFile, "learned.json"}, {&c.Ingest.Data, "ingest"},
	} {
		if *p.path == "" {
			*p.path = filepath.Join(dir, p.name)
		}
	}
	for i := range c.Watch.Dirs {
		if d := &c.Watch.Dirs[i]; strings.HasPrefix(d.Path, "~") {
			if d.Path, err = expandHome(d.Path); err != nil {
				return err
			}
		}
	}
	if c.Resource.DiskPaths == nil {
		c.Resource.DiskPaths = []string{dir}
	}
	if c.Agent.ID == "" {
		if c.Agent.ID, err = os.Hostname(); err != nil {
			return fmt.Errorf("agent.id: %w", err)
		}
	}
	if c.Audit.AgentID == "" {
		c.Audit.AgentID = c.Agent.ID
	}
	if c.Audit.TenantID == "" {
		c.Audit.TenantID = c.Agent.TenantID
	}
	if len(c.Scan.BinDirs) == 0 {
		c.Scan.BinDirs = defaultBinDirs()
	}
	return nil
}

// defaultBinDirs is where scanners are looked for before PATH: beside the agent's own executable. The working directory is
// not among them: a scanned repository could have put a program there.
func defaultBinDirs() []string {
	exe, err := os.Executable()
	if err != nil {
		return nil // there is PATH
	}
	return []string{filepath.Dir(exe)}
}

// loadConfig returns the defaults as changed by the file at path, unless path is empty, and by the environment. The
// configuration is nil only if the file cannot be read.
func loadConfig(path string, app App, env func(string) (string, bool)) (*Config, *configfile.File, error) {
	c := defaultConfig(app)
	file, err := configfile.Read(path, app.EnvPrefix, env, app.settings(c))
	if file == nil {
		return nil, nil, err
	}
	return c, file, err
}

// settings returns what the file may hold: the sections of c, and the agent's own.
func (app *App) settings(c *Config) []configfile.Setting {
	out := configfile.Setting{Value: reflect.ValueOf(c).Elem()}.Members()
	if app.Config != nil {
		out = append(out, configfile.Setting{Path: []string{app.Section}, Value: reflect.ValueOf(app.Config).Elem()})
	}
	return out
}

// check completes the configuration and validates every section. The flags have been applied before.
func (c *Config) check(app App, file *configfile.File) error {
	file.Report("agent", c.complete())
	file.Report("agent", c.Agent.validate(app))
	file.Report("audit", c.Audit.Validate())
	file.Report("chunk", c.Chunk.Validate())
	file.Report("ingest.limits", c.Ingest.Limits.Validate())
	file.Report("limits", c.Limits.Validate())
	file.Report("pipeline", c.Pipeline.Validate())
	file.Report("resource", c.admission())
	file.Report("scan", c.Scan.Validate())
	for i, d := range c.Scanners {
		file.Report(fmt.Sprintf("scanners.%d", i), d.Validate())
	}
	if c.Server.URL != "" {
		file.Report("server", ingest.ClientConfig{BaseURL: c.Server.URL, Paths: c.Server.Paths, MaxRetryAfter: c.Server.MaxRetryAfter}.Validate())
	}
	file.Report("watch", c.Watch.Validate())
	if own, ok := app.Config.(interface{ Validate() error }); ok {
		file.Report(app.Section, own.Validate())
	}
	return file.Err()
}

func (c *AgentConfig) validate(app App) error {
	v := config.New("agent")
	if err := ingest.CheckAgentID(c.ID); err != nil {
		v.Addf("id", "%v", err)
	}
	sources := []string{jobSourceDir, jobSourceServer}
	if app.Source != nil {
		sources = append(sources, jobSourceApp)
	}
	v.OneOf("job_source", c.JobSource, sources...)
	config.Range(v, "max_attempts", c.MaxAttempts, 1, math.MaxInt)
	for name, d := range map[string]time.Duration{"wait": c.Wait, "poll_wait": c.PollWait, "retry_delay": c.RetryDelay, "drain_timeout": c.DrainTimeout} {
		if d < 0 {
			v.Addf(name, "%v is negative", d)
		}
	}
	return v.Err()
}

// scanConfig returns the scanner configuration with the table of the built-in scanners, the defined ones and those of the
// operator.
func (c *Config) scanConfig(defined []scan.Definition) (scan.Config, error) {
	sc := c.Scan
	own, err := scan.ReadDefinitions(c.Agent.ScannersDir)
	if err != nil {
		return sc, err
	}
	if sc.Table, err = scan.NewTable(slices.Concat(scan.Builtin(), defined, own, c.Scanners)...); err != nil {
		return sc, err
	}
	return sc, sc.Validate() // again: now with the table
}

// expandHome is homedir.Expand for a path that an operator gave.
func expandHome(path string) (string, error) {
	if path == "~" {
		path = "~/"
	}
	abs, err := homedir.Expand(path)
	if err != nil {
		err = fmt.Errorf("%w; name another directory with --state-dir or its environment variable", err)
	}
	return abs, err
}
