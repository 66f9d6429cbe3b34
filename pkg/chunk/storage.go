package chunk

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/part"
)

// Storage is one tenant's door to the stored reports: none of its methods sees or touches another tenant's.
type Storage struct {
	m      *Manager
	tenant string
}

// Tenant returns the door of a tenant; "" is the agent's own.
func (m *Manager) Tenant(id string) *Storage { return &Storage{m, id} }

// Storage returns the door of the agent's own tenant.
func (m *Manager) Storage() *Storage { return m.Tenant("") }

// Tenants returns the tenants that have stored reports, sorted.
func (m *Manager) Tenants(ctx context.Context) ([]string, error) {
	if m.db.Closed() {
		return nil, ErrClosed
	}
	rows, err := m.db.Read.QueryContext(ctx, "SELECT DISTINCT tenant FROM reports ORDER BY tenant")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// State of a stored report.
type State string

// The states of a report.
const (
	StatePending   State = "pending"   // parts are waiting or under way
	StateCompleted State = "completed" // every part is uploaded
	StateFailed    State = "failed"    // finished with dead letters
)

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
	ChunkID   string     `json:"chunk_id"` // the part's key
	Index     int        `json:"index"`
	State     string     `json:"state"` // waiting, uploaded or dead
	Attempts  int        `json:"attempts"`
	NextTry   *time.Time `json:"next_try,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	Bytes     int64      `json:"bytes"`
	Findings  int        `json:"findings"`
}

const reportColumns = `r.tenant, r.id, r.rev, r.job, r.tool, r.priority, r.state, r.parts, r.done, r.dead, r.findings, r.assets,
	r.raw, r.stored, r.created, r.finished, r.result,
	coalesce((SELECT error FROM parts p WHERE p.rid = r.rid AND p.error != '' ORDER BY p.state DESC, p.attempts DESC LIMIT 1), '')`

// Reports lists reports, oldest first; states limits it to these, none means all. At most limit are returned;
// 0 means 1000.
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
	return s.query(ctx, "r.state IN ("+in[1:]+") ORDER BY r.rid LIMIT ?", limit)
}

var stateNames = map[int]State{schema.ReportPending: StatePending, schema.ReportCompleted: StateCompleted, schema.ReportFailed: StateFailed}

// Report returns every revision of a report, oldest first, or ErrNotFound.
func (s *Storage) Report(ctx context.Context, reportID string) ([]ReportInfo, error) {
	out, err := s.query(ctx, "r.id = ? AND r.state != 0 ORDER BY r.rev", reportID)
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("report %s: %w", reportID, ErrNotFound)
	}
	return out, err
}

func (s *Storage) query(ctx context.Context, where string, args ...any) ([]ReportInfo, error) {
	if s.m.db.Closed() {
		return nil, ErrClosed
	}
	rows, err := s.m.db.Read.QueryContext(ctx, "SELECT "+reportColumns+" FROM reports r WHERE r.tenant = ? AND "+where, append([]any{s.tenant}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ReportInfo
	for rows.Next() {
		var i ReportInfo
		var state int
		var created, finished int64
		var result string
		if err := rows.Scan(&i.TenantID, &i.ReportID, &i.Revision, &i.JobID, &i.Tool, &i.Priority, &state, &i.Parts, &i.Uploaded, &i.Dead,
			&i.Findings, &i.Assets, &i.BytesRaw, &i.BytesStored, &created, &finished, &result, &i.LastError); err != nil {
			return nil, err
		}
		i.State, i.Created, i.Result = stateNames[state], time.UnixMilli(created), decodeResult(result)
		i.Finished = optionalTime(finished)
		out = append(out, i)
	}
	return out, rows.Err()
}

// Parts lists the stored parts of a report's newest revision, in their order. A completed report has none left
// where CleanupOnReportComplete is set.
func (s *Storage) Parts(ctx context.Context, reportID string) ([]PartInfo, error) {
	if s.m.db.Closed() {
		return nil, ErrClosed
	}
	rows, err := s.m.db.Read.QueryContext(ctx, `SELECT r.content, p.idx, p.state, p.attempts, p.due, p.error, p.size, p.findings
		FROM reports r JOIN parts p ON p.rid = r.rid
		WHERE r.tenant = ?1 AND r.id = ?2 AND r.rev = (SELECT max(rev) FROM reports WHERE tenant = ?1 AND id = ?2 AND state != 0) ORDER BY p.idx`,
		s.tenant, reportID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []PartInfo
	for rows.Next() {
		var p PartInfo
		var content []byte
		var state int
		var due int64
		if err := rows.Scan(&content, &p.Index, &state, &p.Attempts, &due, &p.LastError, &p.Bytes, &p.Findings); err != nil {
			return nil, err
		}
		if len(content) != 32 {
			return nil, fmt.Errorf("report %s: content hash of %d bytes", reportID, len(content))
		}
		p.ChunkID = part.Key(reportID, [32]byte(content), p.Index)
		p.State = partNames[state]
		if state == schema.PartWaiting {
			p.NextTry = optionalTime(due)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

var partNames = map[int]string{schema.PartHeld: "held", schema.PartWaiting: "waiting", schema.PartUploaded: "uploaded", schema.PartDead: "dead"}

func optionalTime(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms)
	return &t
}

// find returns the row of a part by its key, within the transaction of t.
func (s *Storage) find(t *tx, chunkID string) (pid int64, state int, err error) {
	reportID, content, index, err := part.ParseKey(chunkID)
	if err != nil {
		return 0, 0, err
	}
	err = t.Row(`SELECT p.pid, p.state FROM reports r JOIN parts p ON p.rid = r.rid
		WHERE r.tenant = ? AND r.id = ? AND substr(r.content, 1, 8) = ? AND p.idx = ? ORDER BY r.rev DESC LIMIT 1`,
		[]any{s.tenant, reportID, content, index}, &pid, &state)
	if isNoRows(err) {
		err = fmt.Errorf("chunk %s: %w", chunkID, ErrNotFound)
	}
	return pid, state, err
}
