package sarif

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/jsonx"
)

// text decodes from a string, or from a number as it is written. Any other value leaves it unchanged.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never returns an error.
func (t *text) UnmarshalJSON(b []byte) error {
	if s, ok := jsonx.String(b); ok {
		*t = text(s)
	} else if b[0] == '-' || '0' <= b[0] && b[0] <= '9' {
		*t = text(b)
	}
	return nil
}

// message is a SARIF message. It also decodes from a plain string, which some tools write in its place.
type message struct {
	Text      text   `json:"text"`
	Markdown  text   `json:"markdown,omitempty"`
	ID        text   `json:"id,omitempty"`
	Arguments []text `json:"arguments,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. A value that is neither an object nor a string leaves m unchanged.
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

// any returns the text, or the markdown if there is no text.
func (m message) any() string { return string(cmp.Or(m.Text, m.Markdown)) }

// resolve returns the message's text, its markdown, or the rule's text for its ID, in this order, with its arguments
// filled in. It returns at most n bytes, and whether they are the whole message.
func (m message) resolve(r *rule, n int) (s string, whole bool) {
	s = m.any()
	if s == "" && m.ID != "" {
		s = r.messages[string(m.ID)]
	}
	if len(m.Arguments) > 0 {
		s = fill(s, m.Arguments, n+1)
	}
	if len(s) > n {
		return truncate(s, n), false
	}
	return s, true
}

// maxPlaceholder is the length of the longest placeholder {n}, in bytes.
const maxPlaceholder = 8

// fill replaces {0}, {1}, … by the arguments, and double braces by single ones. It stops after n bytes.
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

// placeholders is the inverse of fill: it returns a text that fill turns into s.
func placeholders(s string, args []text) string {
	if len(args) == 0 {
		return s
	}
	return braces.Replace(s)
}

var braces = strings.NewReplacer("{", "{{", "}", "}}")

// truncate returns s, or if it is longer than n bytes its first characters and an ellipsis, at most n bytes together.
func truncate(s string, n int) string {
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

// firstLine returns the first line of s that is not blank.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// canonical returns a JSON value as a string: the content of a string, and any other value as JSON with sorted keys.
func canonical(raw json.RawMessage) string {
	var t text
	if t.UnmarshalJSON(raw) == nil && (t != "" || raw[0] == '"') {
		return string(t)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	out, err := encode(v)
	if err != nil {
		return string(raw)
	}
	return string(out)
}

// ignoreType returns nil for the error that a field has the wrong type, since all other fields are decoded all the same.
func ignoreType(err error) error {
	if _, ok := err.(*json.UnmarshalTypeError); ok {
		return nil
	}
	return err
}

// distinct appends the texts, truncated, that are neither empty nor in list already, until list has n elements.
func distinct[T ~string](list []string, texts []T, n int) []string {
	for _, t := range texts {
		if len(list) >= n {
			break
		}
		if s := truncate(string(t), maxRuleText); s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
