package ingest

import (
	"encoding/json"
	"fmt"
	"time"
)

// Paths are the routes of the protocol, relative to the base URL. An empty field means its default.
type Paths struct {
	Ingest    string // default DefaultIngestPath
	Chunk     string // default DefaultChunkPath
	Check     string // default DefaultCheckPath
	Heartbeat string // default DefaultHeartbeatPath
	Commands  string // default DefaultCommandsPath; the states of one command are below it
	Findings  string // default DefaultFindingsPath
	Stats     string // default DefaultStatsPath
	Audit     string // default DefaultAuditPath

	// The last element of a command's state path, for servers that spell them otherwise.
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

// CheckResult says which fingerprints a receiver knows, each list in the order in which they were asked.
type CheckResult struct {
	Existing []string `json:"existing"`
	Missing  []string `json:"missing"`
}

// Heartbeat is what an agent says of itself. Every field may be empty.
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
}

// Command is one piece of work that a server has for an agent.
type Command struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"` // e.g. scan
	Priority  Priority        `json:"priority,omitempty"`
	TenantID  string          `json:"tenant_id,omitempty"`
	Status    string          `json:"status,omitempty"` // pending, acknowledged, running, completed or failed
	Payload   json.RawMessage `json:"payload,omitempty"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"` // zero: never; do not start it later
}

// Priority of a command, higher first. On the wire it is a number, or one of low, normal, high and critical.
type Priority int

// UnmarshalJSON reads a number or a word; an unknown word is 0, as normal is.
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
