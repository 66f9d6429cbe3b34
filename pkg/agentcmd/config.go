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
	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/scan"
)

// complete sets the fields that depend on others: the paths below StateDir, and the names.
func (c *settings) complete() error {
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
func loadConfig(path string, app App, env func(string) (string, bool)) (*settings, *configfile.File, error) {
	c := defaultConfig(app)
	file, err := configfile.Read(path, app.EnvPrefix, env, app.settings(c))
	if file == nil {
		return nil, nil, err
	}
	return c, file, err
}

// settings returns what the file may hold: the sections of c, and the agent's own.
func (app *App) settings(c *settings) []configfile.Setting {
	out := configfile.Setting{Value: reflect.ValueOf(c).Elem()}.Members()
	if app.Config != nil {
		out = append(out, configfile.Setting{Path: []string{app.Section}, Value: reflect.ValueOf(app.Config).Elem()})
	}
	return out
}

// check completes the configuration and validates every section. The flags have been applied before.
func (c *settings) check(app App, file *configfile.File) error {
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

func (c *agentSettings) validate(app App) error {
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

// scanConfig returns the scanner configuration with a table of the built-in definitions, the given ones, and the
// operator's.
func (c *settings) scanConfig(defined []scan.Definition) (scan.Config, error) {
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
