package sarif

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// text is a string, or a number as it is written; anything else is empty.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	switch c := b[0]; {
	case c == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b): // as almost all are
		*t = text(b[1 : len(b)-1])
	case c == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(s)
	case c == '-' || '0' <= c && c <= '9':
		*t = text(b)
	}
	return nil
}

// message is a SARIF message, or a plain string in its place.
type message struct {
	Text      text   `json:"text"`
	Markdown  text   `json:"markdown"`
	ID        text   `json:"id"`
	Arguments []text `json:"arguments"`
}

// UnmarshalJSON takes an object or a string; anything else is empty.
func (m *message) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return m.Text.UnmarshalJSON(b)
	case '{':
		type plain message
		return ignoreType(json.Unmarshal(b, (*plain)(m)))
	}
	return nil
}

// any returns the text, or else the markdown.
func (m message) any() string {
	if m.Text != "" {
		return string(m.Text)
	}
	return string(m.Markdown)
}

// resolve returns what the message says: its text, its markdown, or the rule's text for its ID; at most n bytes,
// and whether that is all of it.
func (m message) resolve(r *rule, n int) (s string, whole bool) {
	s = m.any()
	if s == "" && r != nil && m.ID != "" {
		s = r.messages[string(m.ID)]
	}
	if len(m.Arguments) > 0 {
		s = fill(s, m.Arguments, n+1)
	}
	if len(s) > n {
		return cut(s, n), false
	}
	return s, true
}

// maxPlaceholder is the longest {n}, in bytes: braces far apart are none.
const maxPlaceholder = 8

// fill puts the arguments in place of {0}, {1}, …, and single braces in place of double ones. It stops at n bytes.
func fill(s string, args []text, n int) string {
	var out strings.Builder
	for len(s) > 0 && out.Len() < n {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		out.WriteString(s[:i])
		s = s[i:]
		if s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] {
			out.WriteByte(s[0])
			s = s[2:]
			continue
		}
		end := strings.IndexByte(s[:min(len(s), maxPlaceholder)], '}')
		if arg, err := strconv.Atoi(s[1:max(end, 1)]); s[0] == '{' && err == nil && 0 <= arg && arg < len(args) {
			out.WriteString(string(args[arg]))
			s = s[end+1:]
			continue
		}
		out.WriteByte(s[0])
		s = s[1:]
	}
	return out.String()
}

// placeholders returns a text of which fill makes s again, if there are arguments.
func placeholders(s string, args []text) string {
	if len(args) == 0 {
		return s
	}
	return braces.Replace(s)
}

var braces = strings.NewReplacer("{", "{{", "}", "}}")

// cut returns at most n bytes of s, whole characters, with an ellipsis if something is missing.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const dots = "…"
	n -= len(dots)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + dots
}

// firstLine returns the first line of s that says something.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// canonical returns a JSON value as a string: a string as what it says, anything else with its keys in order.
func canonical(raw json.RawMessage) string {
	var t text
	if len(raw) > 0 && raw[0] != '{' && raw[0] != '[' && t.UnmarshalJSON(raw) == nil && (t != "" || raw[0] == '"') {
		return string(t)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return string(raw)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// ignoreType drops the error that a field has another type than it should: all others are decoded.
func ignoreType(err error) error {
	if _, ok := err.(*json.UnmarshalTypeError); ok {
		return nil
	}
	return err
}

// distinct adds the texts to list that are new to it and not empty, cut, as long as it has fewer than n.
func distinct[T ~string](list []string, texts []T, n int) []string {
	for _, t := range texts {
		if len(list) >= n {
			break
		}
		if s := cut(string(t), maxRuleText); s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
