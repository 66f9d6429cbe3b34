package server

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// maxPageBytes bounds the JSON of a page, which ends early rather than exceed the default limit of a client.
const maxPageBytes = 8 << 20

// Findings returns one page of the tenant's visible findings.
func (t *Tenant) Findings(ctx context.Context, q ingest.Query) (*ingest.Page, error) {
	if err := q.Validate(); err != nil {
		return nil, fmt.Errorf("findings: %w", err)
	}
	config.Default(&q.Limit, ingest.DefaultPageLimit)
	page := &pageBuilder{limit: q.Limit, Page: ingest.Page{Findings: []ingest.Finding{}}}
	// The ranges of the index (tenant, severity, id) are read one by one, so that every page takes the same time.
	rank, before, _ := wire.ParseCursor(q.Cursor) // validated
	for ; rank >= 0 && page.Next == ""; rank-- {
		if selects(q, severityOf(rank)) {
			if err := t.findings(ctx, q, rank, before, page); err != nil {
				return nil, fmt.Errorf("findings: %w", err)
			}
		}
		before = math.MaxInt64
	}
	return &page.Page, nil
}

func selects(q ingest.Query, s report.Severity) bool {
	return s.Rank() >= q.MinSeverity.Rank() && (len(q.Severities) == 0 || slices.Contains(q.Severities, s))
}

type pageBuilder struct {
	ingest.Page
	limit, size int
	last        string // cursor of the last finding
}

// findings adds the findings of one severity to page.
func (t *Tenant) findings(ctx context.Context, q ingest.Query, rank int, before int64, page *pageBuilder) error {
	condition, args := where(q)
	args = append(append([]any{t.name, rank, before}, args...), page.limit-len(page.Findings)+1)
	rows, err := t.store.db.Query(ctx, `SELECT c.id, c.title, c.tool, c.rule, c.path, c.line, c.asset,
			c.fingerprint, r.report_id, f.first_seen, f.last_seen, f.seen, c.data
		FROM content c CROSS JOIN finding f ON f.tenant = c.tenant AND f.ident = c.ident AND f.content = c.id
		CROSS JOIN report r ON r.id = f.report
		WHERE c.tenant = (SELECT id FROM tenant WHERE name = ?) AND c.severity = ? AND c.id < ?`+condition+`
		ORDER BY c.id DESC LIMIT ?`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if len(page.Findings) == page.limit || page.size > maxPageBytes {
			page.Next = page.last
			break
		}
		f := ingest.Finding{Severity: severityOf(rank)}
		var id, first, last int64
		var data []byte
		if err := rows.Scan(&id, &f.Title, &f.Tool, &f.Rule, &f.Path, &f.Line, &f.Asset, &f.Fingerprint,
			&f.ReportID, &first, &last, &f.Seen, &data); err != nil {
			return err
		}
		f.FirstSeen, f.LastSeen, f.Raw = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC(), data
		page.Findings = append(page.Findings, f)
		page.size += len(data)
		page.last = fmt.Sprintf("%d-%d", rank, id)
	}
	return rows.Err()
}

// severityOf returns the severity of a rank from 0 to 4.
func severityOf(rank int) report.Severity {
	all := report.Severities()
	return all[len(all)-1-rank]
}

// where returns the conditions of q other than its severities.
func where(q ingest.Query) (text string, args []any) {
	add := func(cond string, arg ...any) {
		text, args = text+" AND "+cond, append(args, arg...)
	}
	if q.Tool != "" {
		add("c.tool = ?", q.Tool)
	}
	if q.Rule != "" {
		add("c.rule = ?", q.Rule)
	}
	if q.PathPrefix != "" {
		add("substr(c.path, 1, length(?)) = ?", q.PathPrefix, q.PathPrefix)
	}
	if q.ReportID != "" {
		add("r.report_id = ?", q.ReportID)
	}
	return text, args
}

// parseQuery reads the parameters of a request for findings.
func parseQuery(v url.Values) (ingest.Query, error) {
	q := ingest.Query{
		MinSeverity: report.Severity(v.Get("min_severity")), Tool: v.Get("tool"), Rule: v.Get("rule"),
		PathPrefix: v.Get("path"), ReportID: v.Get("report"), Cursor: v.Get("cursor"),
	}
	for _, list := range v["severity"] {
		for s := range strings.SplitSeq(list, ",") {
			if len(q.Severities) < 16 {
				q.Severities = append(q.Severities, report.Severity(s))
			}
		}
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return q, fmt.Errorf("limit %q: want 1 to %d", wire.Clip(s, 32), ingest.MaxPageLimit)
		}
		q.Limit = n
	}
	return q, q.Validate()
}
