package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"time"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// Query selects findings. Every set field must match; the zero Query selects all findings.
type Query struct {
	Severities  []report.Severity // one of these
	MinSeverity report.Severity   // at least this severe
	Tool        string
	Rule        string
	PathPrefix  string
	ReportID    string // last reported by this report
	Limit       int    // findings on a page; defaults to DefaultPageLimit, at most MaxPageLimit
	Cursor      string // Page.Next of the previous page; empty starts at the first
}

// The default and the bound of Query.Limit.
const (
	DefaultPageLimit = 100
	MaxPageLimit     = 1000
)

// Finding is a stored finding. Raw is its JSON as the last report contained it.
type Finding struct {
	Severity    report.Severity `json:"severity"`
	Title       string          `json:"title"`
	Tool        string          `json:"tool"`
	Rule        string          `json:"rule_id"`
	Path        string          `json:"path"`
	Line        int             `json:"line"`
	Asset       string          `json:"asset"`
	Fingerprint string          `json:"fingerprint"`
	ReportID    string          `json:"report_id"` // the last report that contained it
	FirstSeen   time.Time       `json:"first_seen"`
	LastSeen    time.Time       `json:"last_seen"`
	Seen        int             `json:"seen"` // number of reports that contained it
	Raw         json.RawMessage `json:"finding"`
}

// Page is one page of findings, most severe first, then newest first.
type Page struct {
	Findings []Finding
	Next     string // cursor of the next page; empty on the last page
}

// Finder returns findings: a Client, or a Tenant of the server's Store.
type Finder interface {
	Findings(ctx context.Context, q Query) (*Page, error)
}

// All yields every finding that q selects, page by page, until the first error. A finding that is updated meanwhile may be
// missed or yielded twice.
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
			errs = append(errs, fmt.Errorf("severity %q: want critical, high, medium, low or info", wire.Clip(string(s), 32)))
		}
	}
	if q.Limit < 0 || q.Limit > MaxPageLimit {
		errs = append(errs, fmt.Errorf("limit: %d is outside 1 to %d", q.Limit, MaxPageLimit))
	}
	if _, _, err := wire.ParseCursor(q.Cursor); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// values returns the query as parameters of a URL.
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
