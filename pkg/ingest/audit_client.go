package ingest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// AuditHeads asks how far the receiver has the audit log of each agent of the tenant.
func (c *Client) AuditHeads(ctx context.Context) ([]AuditHead, error) {
	var out []AuditHead
	err := c.json(ctx, http.MethodGet, c.cfg.Paths.Audit, nil, &out)
	return out, err
}

// AuditLines returns at most limit lines of one agent's log with numbers above after. A limit of 0 means the receiver's
// default. Only Agent, Seq and Chain are set in the Head of the page.
func (c *Client) AuditLines(ctx context.Context, agent string, after uint64, limit int) (*AuditPage, error) {
	q := url.Values{"agent": {agent}, "after": {strconv.FormatUint(after, 10)}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	body, header, err := c.do(ctx, call{method: http.MethodGet, path: c.cfg.Paths.Audit + "?" + q.Encode()})
	if err != nil {
		return nil, err
	}
	page := &AuditPage{Head: AuditHead{Agent: agent}, Data: body}
	seq, chain, _ := strings.Cut(header.Get(wire.HeaderHead), ":")
	if page.Head.Seq, err = strconv.ParseUint(seq, 10, 64); err == nil {
		page.Head.Chain = chain
		if next := header.Get(wire.HeaderCursor); next != "" {
			page.Next, err = strconv.ParseUint(next, 10, 64)
		}
	}
	if err != nil {
		return nil, badAnswer("GET "+c.cfg.Paths.Audit, err)
	}
	for line := range bytes.Lines(body) {
		l, err := wire.ReadAuditLine(line)
		if err != nil {
			return nil, badAnswer("GET "+c.cfg.Paths.Audit, fmt.Errorf("line: %w", err))
		}
		if l.Seq > 0 {
			page.Lines++
		}
	}
	return page, nil
}
