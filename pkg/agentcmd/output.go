package agentcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rediverio/sdk/internal/term"
)

// say prints a line for the operator on standard error.
func (a *cli) say(format string, args ...any) {
	fmt.Fprintln(a.errw, term.Text(fmt.Sprintf(format, args...)))
}

// printf prints text on standard output.
func (a *cli) printf(format string, args ...any) {
	fmt.Fprint(a.out, term.Text(fmt.Sprintf(format, args...)))
}

// print prints v with -o json, and otherwise the text.
func (a *cli) print(v any, format string, args ...any) error {
	if a.json() {
		return a.printJSON(v)
	}
	_, err := fmt.Fprint(a.out, term.Text(fmt.Sprintf(format, args...)))
	return err
}

// printJSON prints one JSON value, indented.
func (a *cli) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.out.Write(term.JSON(b.Bytes()))
	return err
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

// row adds a row.
func (t *table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = term.Line(fmt.Sprint(c), 100)
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

// count returns n and the noun, in the plural unless n is 1.
func count[N int | int64](n N, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	case strings.HasSuffix(noun, "s"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
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

func msText(ms int64) string {
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

// because returns a reason in brackets, or nothing if there is none.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// jsonList prints a JSON array item by item.
type jsonList struct {
	w io.Writer
	n int
}

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
	_, err = fmt.Fprintf(l.w, "%s%s", lead, term.JSON(b))
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
