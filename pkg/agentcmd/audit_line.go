package agentcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/term"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

// print prints the events that f selects.
func (p *auditPrinter) print(ctx context.Context, path string, f auditlog.Filter) error {
	for l, err := range auditlog.Query(ctx, path, f) {
		if err != nil {
			return p.skipped(err)
		}
		if err := p.line(&l); err != nil {
			return err
		}
	}
	return nil
}

// skipped prints that lines were skipped because they could not be read. It returns any other error.
func (p *auditPrinter) skipped(err error) error {
	s, ok := errors.AsType[*auditlog.SkippedError](err)
	if !ok {
		return err
	}
	p.a.say("%s; see 'audit verify'", bare(s.Error()))
	return nil
}

func (p *auditPrinter) line(l *auditlog.Line) error {
	p.n++
	text := eventText
	if p.a.json() {
		text = func(l *auditlog.Line) string { return string(term.JSON(l.Raw)) }
	}
	if _, err := p.out.WriteString(text(l) + "\n"); err != nil || !p.live {
		return err
	}
	return p.out.Flush()
}

// eventText returns an event as one line. All text from the log is escaped for a terminal.
func eventText(l *auditlog.Line) string {
	e := &l.Event
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-8s  %-17s", stampText(e.Timestamp), bare(string(cmp.Or(e.Severity, audit.SeverityInfo))), bare(string(e.Type)))
	switch {
	case strings.Contains(e.Message, "="): // a message must not look like the fields that follow it
		b.WriteString("  " + strconv.Quote(e.Message))
	case e.Message != "":
		b.WriteString("  " + bare(e.Message))
	}
	pair := func(key, value string) { b.WriteString("  " + key + "=" + value) }
	for _, m := range []struct{ key, value string }{{"error", e.Error}, {"job", e.JobID}, {"report", e.ReportID}} {
		if m.value != "" {
			pair(m.key, word(m.value))
		}
	}
	if e.Duration != 0 {
		pair("took", e.Duration.Round(time.Microsecond).String())
	}
	for _, k := range slices.Sorted(maps.Keys(e.Details)) {
		pair(word(k), detailText(e.Details[k]))
	}
	if l.Seq > 0 {
		pair("seq", strconv.FormatUint(l.Seq, 10))
	}
	return b.String()
}

// stampText returns a time as the log has it, in UTC, to the millisecond.
func stampText(t time.Time) string {
	if t.IsZero() {
		return "-                       " // as wide as a time
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func detailText(v any) string {
	switch v := v.(type) {
	case string:
		return word(v)
	case float64:
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil { // it was decoded from JSON
		return word(err.Error())
	}
	return bare(string(b))
}

// maxShown is how many characters of one string are printed; -o json prints all of it.
const maxShown = 300

// bare returns s as it may reach a terminal: quoted unless all of it is printable.
func bare(s string) string { return term.Quote(s, maxShown) }

// word returns s as bare does, quoted if it would not be read as one word.
func word(s string) string {
	if t := bare(s); s != "" && !strings.ContainsAny(s, ` "=`) || t != s {
		return t
	}
	return strconv.Quote(s)
}

// parseWhen parses a time, or a duration before now. An empty text is the zero time.
func parseWhen(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q: want a duration (90m, 2h, 7d) or a time (2026-11-21T03:00, UTC)", s)
}
