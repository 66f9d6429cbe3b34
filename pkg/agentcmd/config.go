package agentcmd

import (
	"fmt"
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

// Config is the configuration file: a section for each package, with the fields of the package.
type Config struct {
	Agent    AgentConfig
	Server   ServerConfig
	Chunk    chunk.Config
	Pipeline pipeline.PipelineConfig
	Resource resource.ControllerConfig
	Audit    audit.LoggerConfig
	Limits   limits.Limits
	Scan     scan.Config
	// Scanners are definitions of scanners. They replace those with the same name in agent.scanners_dir and the built-in
	// ones.
	Scanners []scan.Definition
	// Watch configures what the agent watches besides its own work while run is up. Without rules, dirs and orphans it
	// watches nothing.
	Watch  watch.Config
	Ingest IngestConfig
}

// AgentConfig configures the agent as a whole.
type AgentConfig struct {
	// ID is the name of this agent in events and requests. Defaults to the name of the host.
	ID string
	// TenantID is the tenant of jobs that name none.
	TenantID string
	// StateDir is the directory of everything the agent keeps. Defaults to a directory in the home directory.
	StateDir string
	// Scanners are the names of the scanners that the verb scan uses. Defaults to all that are installed.
	Scanners []string
	// ScannersDir is a directory with definitions of scanners, each in a file NAME.yaml with the keys of an entry of
	// scanners. They replace built-in ones with the same name. Defaults to scanners in StateDir.
	ScannersDir string

	// JobSource is where the verb run takes jobs from: dir (files in JobDir) or server (its commands). Defaults to dir.
	JobSource string
	// JobDir is the directory of job files. Defaults to jobs in StateDir.
	JobDir string
	// StatusAddr is where run answers the verb status: the path of a unix socket, or a loopback host:port. Defaults to
	// agent.sock in StateDir.
	StatusAddr string
	// HeartbeatInterval is the time between two reports of the agent's status to the server. Defaults to 1 minute; -1
	// means none.
	HeartbeatInterval time.Duration

	// Wait is the maximum time that scan and import wait for uploads. Defaults to 30 seconds.
	Wait time.Duration
	// PollWait is the maximum time that run waits for a job at its source. Defaults to 30 seconds.
	PollWait time.Duration
	// RetryDelay is the time after which a job is tried again that failed for a temporary reason. Defaults to 1 minute.
	RetryDelay time.Duration
	// MaxAttempts is the number of tries after which a temporary failure of a job is final. Defaults to 3.
	MaxAttempts int
	// DrainTimeout is the maximum time that running jobs may take after run was asked to stop. Defaults to 5 minutes.
	DrainTimeout time.Duration
}

// ServerConfig names the receiver of reports.
type ServerConfig struct {
	// URL is the address of the server. If empty, the agent runs an ingest server of its own on a loopback port.
	URL string
	// TokenFile is a file with the bearer token, readable by its owner only. It is read again when the token is refused.
	TokenFile string
	// Paths are the paths of the API below URL.
	Paths ingest.Paths
	// MaxRetryAfter is the maximum time that the server may ask to wait. Defaults to 15 minutes.
	MaxRetryAfter time.Duration
}

// IngestConfig configures the ingest server: that of the verb ingest, and the agent's own.
type IngestConfig struct {
	// Listen is the host:port of the verb ingest. Defaults to 127.0.0.1:8080.
	Listen string
	// Data is the directory of the store. Defaults to ingest in StateDir.
	Data string
	// Tokens is a file with one "token tenant" pair on each line, readable by its owner only.
	Tokens string
	// Admins are the tenants that may read the statistics of all tenants.
	Admins []string
	// IncompleteAge is the time that an incomplete report waits for its next part. Defaults to 168 hours; -1 means for ever.
	IncompleteAge time.Duration
	Limits        server.Limits
}

// Defaults and values of the sections above.
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
			HeartbeatInterval: agent.DefaultHeartbeatInterval,
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
	// If they are not set, complete places them in StateDir.
	c.Chunk.DatabasePath, c.Audit.LogFile = "", ""
	return c
}

// complete sets the fields that depend on others: the paths below StateDir, and the names.
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

// defaultBinDirs returns the directories that are searched for scanners before PATH: the one of the agent's executable. The
// working directory is not among them: a scanned repository could have put a program there.
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
	config.Range(v, "max_attempts", c.MaxAttempts, 1, 1_000_000)
	config.RangeOrOff(v, "heartbeat_interval", c.HeartbeatInterval, time.Second, 24*time.Hour)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"wait", c.Wait}, {"poll_wait", c.PollWait}, {"retry_delay", c.RetryDelay}, {"drain_timeout", c.DrainTimeout}} {
		config.Range(v, d.name, d.value, 0, 30*24*time.Hour)
	}
	return v.Err()
}

// scanConfig returns the scanner configuration with a table of the built-in definitions, the given ones, and those of
// the operator.
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

// expandHome expands a leading ~/ in a path from the operator.
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
