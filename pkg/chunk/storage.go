package chunk

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/part"
)

// Storage gives access to the stored reports of one tenant. None of its methods returns or changes data of another tenant.
type Storage struct {
	m      *Manager
	tenant string
}

// Tenant returns the Storage of a tenant. The empty ID is the agent's own tenant.
func (m *Manager) Tenant(id string) *Storage { return &Storage{m, id} }

// Storage returns the Storage of the agent's own tenant.
func (m *Manager) Storage() *Storage { return m.Tenant("") }

// Tenants returns the tenants that have stored reports, sorted.
func (m *Manager) Tenants(ctx context.Context) (tenants []string, err error) {
	err = m.each(ctx, func(rows *sql.Rows) error {
		var t string
		err := rows.Scan(&t)
		tenants = append(tenants, t)
		return err
	}, "SELECT DISTINCT tenant FROM reports ORDER BY tenant")
	return tenants, err
}

// each calls scan for each row of a query.
func (m *Manager) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	if m.db.Closed() {
		return ErrClosed
	}
	rows, err := m.db.Read.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// State is the state of a stored report.
type State string

// The states of a report.
const (
	StatePending   State = "pending"   // parts are waiting or being uploaded
	StateCompleted State = "completed" // every part is uploaded
	StateFailed    State = "failed"    // finished with dead letters
)

var stateNames = map[int]State{schema.ReportPending: StatePending, schema.ReportCompleted: StateCompleted, schema.ReportFailed: StateFailed}

var partNames = map[int]string{schema.PartHeld: "held", schema.PartWaiting: "waiting", schema.PartUploaded: "uploaded", schema.PartDead: "dead"}

// ReportInfo describes a stored report.
type ReportInfo struct {
	TenantID    string      `json:"tenant_id,omitempty"`
	ReportID    string      `json:"report_id"`
	Revision    int         `json:"revision"`
	JobID       string      `json:"job_id,omitempty"`
	Tool        string      `json:"tool,omitempty"`
	Priority    int         `json:"priority"`
	State       State       `json:"state"`
	Parts       int         `json:"parts"`
	Uploaded    int         `json:"uploaded"`
	Dead        int         `json:"dead"`
	Findings    int         `json:"findings"`
	Assets      int         `json:"assets"`
	BytesRaw    int64       `json:"bytes_raw"`
	BytesStored int64       `json:"bytes_stored"`
	Created     time.Time   `json:"created"`
	Finished    *time.Time  `json:"finished,omitempty"`
	Result      part.Result `json:"-"` // sums of the receiver's answers
	LastError   string      `json:"last_error,omitempty"`
}

// PartInfo describes a stored part.
type PartInfo struct {
	ChunkID   string     `json:"chunk_id"` // the key of the part
	Index     int        `json:"index"`
	State     string     `json:"state"` // waiting, uploaded or dead
	Attempts  int        `json:"attempts"`
	NextTry   *time.Time `json:"next_try,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	Bytes     int64      `json:"bytes"`
	Findings  int        `json:"findings"`
}

// Reports lists the reports in the given states, or in any state if none is given, oldest first. It returns at most limit
// reports; zero means 1000.
func (s *Storage) Reports(ctx context.Context, limit int, states ...State) ([]ReportInfo, error) {
	if limit <= 0 {
		limit = 1000
	}
	want := map[State]bool{}
	for _, st := range states {
		want[st] = true
	}
	in := ""
	for num, name := range stateNames {
		if len(want) == 0 || want[name] {
			in += fmt.Sprintf(",%d", num)
		}
	}
	if in == "" {
		return nil, fmt.Errorf("states %v: want pending, completed or failed", states)
	}
	return s.reports(ctx, "r.state IN ("+in[1:]+") ORDER BY r.rid LIMIT ?", limit)
}

// Report returns every revision of a report, oldest first, or ErrNotFound.
func (s *Storage) Report(ctx context.Context, reportID string) ([]ReportInfo, error) {
	out, err := s.reports(ctx, "r.id = ? AND r.state != 0 ORDER BY r.rev", reportID)
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("report %s: %w", reportID, ErrNotFound)
	}
	return out, err
}

const selectReports = `SELECT r.tenant, r.id, r.rev, r.job, r.tool, r.priority, r.state, r.parts, r.done, r.dead, r.findings, r.assets,
	r.raw, r.stored, r.created, r.finished, r.result,
	coalesce((SELECT error FROM parts p WHERE p.rid = r.rid AND p.error != '' ORDER BY p.state DESC, p.attempts DESC LIMIT 1), '')
	FROM reports r WHERE r.tenant = ? AND `

func (s *Storage) reports(ctx context.Context, where string, args ...any) (out []ReportInfo, err error) {
	err = s.m.each(ctx, func(rows *sql.Rows) error {
		var i ReportInfo
		var state int
		var created, finished int64
		var result string
		err := rows.Scan(&i.TenantID, &i.ReportID, &i.Revision, &i.JobID, &i.Tool, &i.Priority, &state, &i.Parts, &i.Uploaded, &i.Dead,
			&i.Findings, &i.Assets, &i.BytesRaw, &i.BytesStored, &created, &finished, &result, &i.LastError)
		i.State, i.Created, i.Finished, i.Result = stateNames[state], time.UnixMilli(created), optionalTime(finished), decodeResult(result)
		out = append(out, i)
		return err
	}, selectReports+where, append([]any{s.tenant}, args...)...)
	return out, err
}

// Parts lists the stored parts of the newest revision of a report, in order. A completed report has none if
// CleanupOnReportComplete is set.
func (s *Storage) Parts(ctx context.Context, reportID string) (out []PartInfo, err error) {
	err = s.m.each(ctx, func(rows *sql.Rows) error {
		var p PartInfo
		var content []byte
		var state int
		var due int64
		if err := rows.Scan(&content, &p.Index, &state, &p.Attempts, &due, &p.LastError, &p.Bytes, &p.Findings); err != nil {
			return err
		}
		if len(content) != 32 {
			return fmt.Errorf("report %s has a content hash of %d bytes, want 32", reportID, len(content))
		}
		p.ChunkID, p.State = part.Key(reportID, [32]byte(content), p.Index), partNames[state]
		if state == schema.PartWaiting {
			p.NextTry = optionalTime(due)
		}
		out = append(out, p)
		return nil
	}, `SELECT r.content, p.idx, p.state, p.attempts, p.due, p.error, p.size, p.findings FROM reports r JOIN parts p ON p.rid = r.rid
		WHERE r.tenant = ?1 AND r.id = ?2 AND r.rev = (SELECT max(rev) FROM reports WHERE tenant = ?1 AND id = ?2 AND state != 0) ORDER BY p.idx`,
		s.tenant, reportID)
	return out, err
}

func optionalTime(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms)
	return &t
}
