package agentcmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// printJSON prints one JSON value, indented.
func (a *cli) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints aligned columns.
type table struct {
	w   *tabwriter.Writer
	err error
}

func newTable(out io.Writer, head ...any) *table {
	t := &table{w: tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	t.row(head...)
	return t
}

// row adds a row; control characters, which a finding may hold, do not reach the terminal.
func (t *table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = clip(fmt.Sprint(c), 100)
	}
	if _, err := fmt.Fprintln(t.w, strings.Join(text, "\t")); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *table) flush() error {
	if err := t.w.Flush(); err != nil {
		return err
	}
	return t.err
}

func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, suffix := float64(n), ""
	for _, suffix = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f /= unit; f < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", f, suffix)
}

func bytesOrDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return bytesText(n)
}

func timeOrDash(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return (time.Duration(ms) * time.Millisecond).Round(10 * time.Millisecond).String()
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

// jsonList prints a JSON array item by item.
type jsonList struct {
	w io.Writer
	n int
}

func newJSONList(w io.Writer) *jsonList { return &jsonList{w: w} }

func (l *jsonList) add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	lead := "[\n"
	if l.n > 0 {
		lead = ",\n"
	}
	l.n++
	_, err = fmt.Fprintf(l.w, "%s%s", lead, b)
	return err
}

func (l *jsonList) end() error {
	text := "\n]\n"
	if l.n == 0 {
		text = "[]\n"
	}
	_, err := fmt.Fprint(l.w, text)
	return err
}
