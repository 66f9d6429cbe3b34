package ingest

import (
	"encoding/json"
	"fmt"
	"time"
)

// Paths are the routes of the protocol below the base URL. An empty field means its default.
type Paths struct {
	Ingest    string // route for whole reports
	Chunk     string // route for parts of reports
	Check     string // route that looks up fingerprints
	Heartbeat string // route for heartbeats
	Commands  string // route of the commands; the states of a command are below it
	Findings  string // route that lists findings
	Stats     string // route of the receiver's numbers
	Audit     string // route for lines of audit logs

	// The last element of the path of a command's state, for servers that spell them differently.
	Acknowledge string // default "acknowledge"
	Start       string // default "start"
	Complete    string // default "complete"
	Fail        string // default "fail"
}

// The defaults of Paths.
const (
	DefaultIngestPath    = "/api/v1/agent/ingest"
	DefaultChunkPath     = "/api/v1/agent/ingest/chunk"
	DefaultCheckPath     = "/api/v1/agent/ingest/check"
	DefaultHeartbeatPath = "/api/v1/agent/heartbeat"
	DefaultCommandsPath  = "/api/v1/agent/commands"
	DefaultFindingsPath  = "/api/v1/findings"
	DefaultStatsPath     = "/api/v1/stats"
	DefaultAuditPath     = "/api/v1/agent/audit"
)

func (p Paths) withDefaults() Paths {
	for _, f := range []struct {
		field *string
		def   string
	}{
		{&p.Ingest, DefaultIngestPath}, {&p.Chunk, DefaultChunkPath}, {&p.Check, DefaultCheckPath},
		{&p.Heartbeat, DefaultHeartbeatPath}, {&p.Commands, DefaultCommandsPath}, {&p.Findings, DefaultFindingsPath},
		{&p.Stats, DefaultStatsPath}, {&p.Audit, DefaultAuditPath}, {&p.Acknowledge, "acknowledge"}, {&p.Start, "start"},
		{&p.Complete, "complete"}, {&p.Fail, "fail"},
	} {
		if *f.field == "" {
			*f.field = f.def
		}
	}
	return p
}

// CheckResult divides fingerprints into those that a receiver knows and the others, each in the order of the request.
type CheckResult struct {
	Existing []string `json:"existing"`
	Missing  []string `json:"missing"`
}

// Heartbeat describes a running agent. Every field may be empty.
type Heartbeat struct {
	Name          string   `json:"name,omitempty"`
	Status        string   `json:"status,omitempty"` // running, idle, stopping, stopped or error
	Version       string   `json:"version,omitempty"`
	Hostname      string   `json:"hostname,omitempty"`
	Message       string   `json:"message,omitempty"`
	Region        string   `json:"region,omitempty"`
	Scanners      []string `json:"scanners,omitempty"`
	UptimeSeconds int64    `json:"uptime_seconds,omitempty"`
	TotalScans    int64    `json:"total_scans,omitempty"`
	Errors        int64    `json:"errors,omitempty"`
	CPUPercent    float64  `json:"cpu_percent,omitempty"`
	MemoryPercent float64  `json:"memory_percent,omitempty"`
	ActiveJobs    int      `json:"active_jobs,omitempty"`

	// WaitingJobs is the number of jobs that the agent holds and has not started, PendingReports the number of reports
	// that are not completely uploaded.
	WaitingJobs    int   `json:"waiting_jobs,omitempty"`
	PendingReports int64 `json:"pending_reports,omitempty"`
}

// AgentState is the last heartbeat that a receiver has of an agent.
type AgentState struct {
	Agent      string    `json:"agent"`
	ReceivedAt time.Time `json:"received_at"`
	Heartbeat  Heartbeat `json:"heartbeat"`
}

// Command is a piece of work that a server offers to an agent.
type Command struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"` // such as scan
	Priority  Priority        `json:"priority,omitempty"`
	TenantID  string          `json:"tenant_id,omitempty"`
	Status    string          `json:"status,omitempty"` // pending, acknowledged, running, completed or failed
	Payload   json.RawMessage `json:"payload,omitempty"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"` // the agent must not start it later; zero means never
}

// Priority orders commands, higher first. On the wire it is a number, or one of low, normal, high and critical.
type Priority int

// UnmarshalJSON reads a number or a word. An unknown word is 0, like normal.
func (p *Priority) UnmarshalJSON(b []byte) error {
	var word string
	if json.Unmarshal(b, &word) == nil {
		*p = map[string]Priority{"low": -1, "high": 1, "critical": 2}[word]
		return nil
	}
	var n int
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	*p = Priority(n)
	return nil
}

// The states of a command.
const (
	CommandPending      = "pending"
	CommandAcknowledged = "acknowledged"
	CommandRunning      = "running"
	CommandCompleted    = "completed"
	CommandFailed       = "failed"
)
