package agentcmd

import (
	"time"

	"github.com/rediverio/sdk/pkg/agent"
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

// settings is the configuration file: a section for each package, with the fields of the package.
type settings struct {
	Agent    agentSettings
	Server   serverSettings
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
	Ingest ingestSettings
}

// agentSettings configures the agent as a whole.
type agentSettings struct {
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

// serverSettings names the receiver of reports.
type serverSettings struct {
	// URL is the address of the server. If empty, the agent runs an ingest server of its own on a loopback port.
	URL string
	// TokenFile is a file with the bearer token, readable by its owner only. It is read again when the token is refused.
	TokenFile string
	// Paths are the paths of the API below URL.
	Paths ingest.Paths
	// MaxRetryAfter is the maximum time that the server may ask to wait. Defaults to 15 minutes.
	MaxRetryAfter time.Duration
}

// ingestSettings configures the ingest server, both of the verb ingest and within the agent.
type ingestSettings struct {
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
func defaultConfig(app App) *settings {
	c := &settings{
		Agent: agentSettings{
			StateDir: app.StateDir, JobSource: jobSourceDir, Wait: defaultWait, PollWait: agent.DefaultPollWait,
			RetryDelay: agent.DefaultRetryDelay, MaxAttempts: agent.DefaultMaxAttempts, DrainTimeout: agent.DefaultDrainTimeout,
			HeartbeatInterval: agent.DefaultHeartbeatInterval,
		},
		Server:   serverSettings{MaxRetryAfter: ingest.DefaultMaxRetryAfter},
		Chunk:    *chunk.DefaultConfig(),
		Pipeline: *pipeline.DefaultPipelineConfig(),
		Resource: *resource.DefaultControllerConfig(),
		Audit:    *audit.DefaultLoggerConfig(),
		Limits:   limits.DefaultLimits(),
		Ingest:   ingestSettings{Listen: defaultListen, IncompleteAge: server.DefaultIncompleteAge},
	}
	if app.Source != nil {
		c.Agent.JobSource = jobSourceApp
	}
	// If they are not set, complete places them in StateDir.
	c.Chunk.DatabasePath, c.Audit.LogFile = "", ""
	return c
}
