package redact

import (
	"slices"
	"strings"
)

// Text returns s with what looks like a secret replaced: user and password of a URL, name=value and "name":"value"
// with a secret name (query parameters, environment, JSON), --flag value, Authorization and Cookie headers, bearer
// and basic credentials, tokens of well-known issuers, private keys. It walks s once, word by word, and allocates
// only when it finds something.
func Text(s string) string {
	var out []byte
	done := 0
	for i := 0; i < len(s); {
		if !wordByte[s[i]] {
			i++
			continue
		}
		end := wordEnd(s, i)
		from, to := secretAt(s, i, end)
		if from >= to {
			i = end
			continue
		}
		out = append(append(out, s[done:from]...), Marker...)
		done, i = to, to
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// secretAt returns the range of s to hide that the word s[i:end] is, or announces; empty for none.
func secretAt(s string, i, end int) (from, to int) {
	word, rest := s[i:end], s[end:]
	switch {
	case strings.HasSuffix(word, "-----BEGIN"):
		return privateKey(s, end)
	case strings.HasPrefix(rest, "://"):
		return userinfo(s, end+3)
	}
	if at := tokenStart(word); at >= 0 {
		return i + at, end
	}
	if len(rest) < 2 {
		return 0, 0
	}
	switch rest[0] {
	case '=':
		if secret, _ := secretKey(word); secret {
			return value(s, end+1)
		}
	case ':':
		if header(word) {
			return end + 1, until(s, end, "\r\n")
		}
		if announces(word) {
			for end++; end < len(s) && s[end] == ' '; end++ {
			}
			return value(s, end)
		}
	case '"', '\'', '\\':
		return quotedPair(s, word, end)
	case ' ':
		if Flag(word) {
			return value(s, end+1)
		}
		if strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic") {
			return credential(s, end+1)
		}
	}
	return 0, 0
}

// wordByte says which bytes belong to a name or a token.
var wordByte = func() (set [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") {
		set[c] = true
	}
	return set
}()

func wordEnd(s string, i int) int {
	for i < len(s) && wordByte[s[i]] {
		i++
	}
	return i
}

// tokenStart finds a token at the start of word or after a separator in it; -1 for none.
func tokenStart(word string) int {
	if len(word) < minToken {
		return -1
	}
	if secretToken(word) {
		return 0
	}
	for i := 0; i+minToken < len(word); i++ {
		if c := word[i]; (c == '.' || c == '-' || c == '_') && secretToken(word[i+1:]) {
			return i + 1
		}
	}
	return -1
}

// value spans the value that starts at i: to its closing quote when it has one, else to the next separator.
func value(s string, i int) (from, to int) {
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		if n := strings.IndexByte(s[i+1:], s[i]); n >= 0 {
			return i + 1, i + 1 + n
		}
		return i + 1, len(s)
	}
	return i, until(s, i, " \t\r\n&;\"'<>)]}")
}

// quotedPair spans the value of "name":"value", its quotes escaped or not.
func quotedPair(s, word string, i int) (from, to int) {
	if secret, _ := secretKey(word); !secret {
		return 0, 0
	}
	for i < len(s) && strings.IndexByte("\\\"'", s[i]) >= 0 {
		i++
	}
	j := i
	for j < len(s) && strings.IndexByte(" :=", s[j]) >= 0 {
		j++
	}
	if i == j {
		return 0, 0
	}
	for j < len(s) && s[j] == '\\' {
		j++
	}
	from, to = value(s, j)
	for to > from && s[to-1] == '\\' {
		to--
	}
	return from, to
}

// userinfo spans what is before the last @ of a URL's authority. A password that was not escaped may hold a slash:
// what follows the colon is then no port, and the authority goes on to the last @ of the word.
func userinfo(s string, i int) (from, to int) {
	end := until(s, i, "/?# \t\r\n\"'<>")
	if at := strings.LastIndexByte(s[i:end], '@'); at >= 0 {
		return i, i + at
	}
	if colon := strings.LastIndexByte(s[i:end], ':'); colon >= 0 && strings.Trim(s[i+colon+1:end], "0123456789") != "" && s[i] != '[' {
		end = until(s, i, " \t\r\n\"'<>")
		if at := strings.LastIndexByte(s[i:end], '@'); at >= 0 {
			return i, i + at
		}
	}
	return 0, 0
}

// header reports whether word is an HTTP header of which nothing may be kept.
func header(word string) bool {
	for _, h := range []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "private-token"} {
		if len(word) == len(h) && strings.EqualFold(word, h) {
			return true
		}
	}
	return false
}

// announces reports whether "word: " comes before a secret. The bare words of prose ("unexpected token: x") do not.
func announces(word string) bool {
	_, ends := secretKey(word)
	return ends && !slices.ContainsFunc([]string{"token", "secret", "signature", "session", "auth", "pass", "pin"},
		func(w string) bool { return strings.EqualFold(w, word) })
}

// credential spans the word after "Bearer" or "Basic" if it is no word of prose.
func credential(s string, i int) (from, to int) {
	to = until(s, i, " \t\r\n\"',;<>)]}")
	w := s[i:to]
	prose := len(w) < 8 || len(w) < 20 && strings.Trim(w[1:], "abcdefghijklmnopqrstuvwxyz.:-") == ""
	if prose {
		return 0, 0
	}
	return i, to
}

// privateKey spans a PEM block of a private key from its first line to its last, or to the end of s.
func privateKey(s string, i int) (from, to int) {
	if !strings.Contains(s[i:min(len(s), i+40)], "PRIVATE KEY") {
		return 0, 0
	}
	if n := strings.Index(s[i:], "-----END"); n >= 0 {
		return i, i + n
	}
	return i, len(s)
}

// until returns the index of the first byte of stop in s[i:], or the length of s.
func until(s string, i int, stop string) int {
	if n := strings.IndexAny(s[i:], stop); n >= 0 {
		return i + n
	}
	return len(s)
}
