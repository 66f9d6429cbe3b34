package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// Query chooses findings; every set field must match. The zero Query is all of them.
type Query struct {
	Severities  []report.Severity // any of these
	MinSeverity report.Severity   // this or more severe
	Tool        string
	Rule        string
	PathPrefix  string
	ReportID    string // last seen by this report
	Limit       int    // a page; default DefaultPageLimit, at most MaxPageLimit
	Cursor      string // Page.Next of the page before
}

// The default and the bound of Query.Limit.
const (
	DefaultPageLimit = 100
	MaxPageLimit     = 1000
)

// maxPageBytes ends a page early, so that its JSON stays well under DefaultMaxResponseBytes.
const maxPageBytes = 8 << 20

// Finding is a stored finding: the columns that are asked for, and in Raw the JSON as its last report had it.
type Finding struct {
	Severity    report.Severity `json:"severity"`
	Title       string          `json:"title"`
	Tool        string          `json:"tool"`
	Rule        string          `json:"rule_id"`
	Path        string          `json:"path"`
	Line        int             `json:"line"`
	Asset       string          `json:"asset"`
	Fingerprint string          `json:"fingerprint"`
	ReportID    string          `json:"report_id"` // the last report that had it
	FirstSeen   time.Time       `json:"first_seen"`
	LastSeen    time.Time       `json:"last_seen"`
	Seen        int             `json:"seen"` // reports that had it
	Raw         json.RawMessage `json:"finding"`
}

// Page is one page of findings, most severe first, then newest first.
type Page struct {
	Findings []Finding
	Next     string // cursor of the next page; empty: this is the last
}

// Finder is what has findings: a Client, or a Tenant of a Store.
type Finder interface {
	Findings(ctx context.Context, q Query) (*Page, error)
}

// All yields every finding that q matches, page by page, and ends after the first error. A finding that is
// updated meanwhile may be missed or come twice.
func All(ctx context.Context, from Finder, q Query) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		for {
			page, err := from.Findings(ctx, q)
			if err != nil {
				yield(Finding{}, err)
				return
			}
			for _, f := range page.Findings {
				if !yield(f, nil) {
					return
				}
			}
			if page.Next == "" || page.Next == q.Cursor {
				return
			}
			q.Cursor = page.Next
		}
	}
}

// Validate returns every problem of the query in one error.
func (q Query) Validate() error {
	var errs []error
	for _, s := range append([]report.Severity{q.MinSeverity}, q.Severities...) {
		if s != "" && s.Rank() < 0 {
			errs = append(errs, fmt.Errorf("severity %q: want critical, high, medium, low or info", clip(string(s), 32)))
		}
	}
	if q.Limit < 0 || q.Limit > MaxPageLimit {
		errs = append(errs, fmt.Errorf("limit: %d is outside 1 to %d", q.Limit, MaxPageLimit))
	}
	if _, _, err := q.after(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// after reads the cursor: the severity and content ID of the last finding of the page before.
func (q Query) after() (rank int, id int64, err error) {
	if q.Cursor == "" {
		return report.Critical.Rank(), math.MaxInt64, nil
	}
	r, i, ok := strings.Cut(q.Cursor, "-")
	rank, err1 := strconv.Atoi(r)
	id, err2 := strconv.ParseInt(i, 10, 64)
	if !ok || err1 != nil || err2 != nil || rank < 0 || rank > report.Critical.Rank() {
		return 0, 0, fmt.Errorf("cursor %q: want the one of an answer", clip(q.Cursor, 32))
	}
	return rank, id, nil
}

// Findings returns one page of the tenant's visible findings.
func (t *Tenant) Findings(ctx context.Context, q Query) (*Page, error) {
	if err := q.Validate(); err != nil {
		return nil, fmt.Errorf("findings: %w", err)
	}
	orDefault(&q.Limit, DefaultPageLimit)
	page := &pageBuilder{limit: q.Limit, Page: Page{Findings: []Finding{}}}
	// One range of the index (tenant, severity, id) after the other, so that a page costs the same wherever it is.
	rank, before, _ := q.after() // validated
	for ; rank >= 0 && page.Next == ""; rank-- {
		if q.wants(severityOf(rank)) {
			if err := t.findings(ctx, q, rank, before, page); err != nil {
				return nil, fmt.Errorf("findings: %w", err)
			}
		}
		before = math.MaxInt64
	}
	return &page.Page, nil
}

func (q Query) wants(s report.Severity) bool {
	return s.Rank() >= q.MinSeverity.Rank() && (len(q.Severities) == 0 || slices.Contains(q.Severities, s))
}

type pageBuilder struct {
	Page
	limit, size int
	last        string // cursor behind the last finding
}

// findings adds those of one severity.
func (t *Tenant) findings(ctx context.Context, q Query, rank int, before int64, page *pageBuilder) error {
	where, args := q.where()
	args = append([]any{t.name, rank, before}, args...)
	rows, err := t.store.read.QueryContext(ctx, `SELECT c.id, c.title, c.tool, c.rule, c.path, c.line, c.asset,
			c.fingerprint, r.report_id, f.first_seen, f.last_seen, f.seen, c.data
		FROM content c CROSS JOIN finding f ON f.tenant = c.tenant AND f.ident = c.ident AND f.content = c.id
		CROSS JOIN report r ON r.id = f.report
		WHERE c.tenant = (SELECT id FROM tenant WHERE name = ?) AND c.severity = ? AND c.id < ?`+where+`
		ORDER BY c.id DESC LIMIT `+strconv.Itoa(page.limit-len(page.Findings)+1), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if len(page.Findings) == page.limit || page.size > maxPageBytes {
			page.Next = page.last
			break
		}
		f := Finding{Severity: severityOf(rank)}
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

// severityOf is the inverse of Severity.Rank, for 0 to 4.
func severityOf(rank int) report.Severity {
	all := report.Severities()
	return all[len(all)-1-rank]
}

// where is the rest of the condition.
func (q Query) where() (text string, args []any) {
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

// values is the query as a URL has it; parseQuery reads it.
func (q Query) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	for _, s := range q.Severities {
		v.Add("severity", string(s))
	}
	set("min_severity", string(q.MinSeverity))
	set("tool", q.Tool)
	set("rule", q.Rule)
	set("path", q.PathPrefix)
	set("report", q.ReportID)
	set("cursor", q.Cursor)
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

func parseQuery(v url.Values) (Query, error) {
	q := Query{
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
			return q, fmt.Errorf("limit %q: want 1 to %d", clip(s, 32), MaxPageLimit)
		}
		q.Limit = n
	}
	return q, q.Validate()
}
