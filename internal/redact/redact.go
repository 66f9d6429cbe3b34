// Package redact finds secrets, by the name they stand under and by their form. It is a net, not a proof.
package redact

import (
	"encoding/json"
	"strings"
	"time"
)

// Marker replaces a secret.
const Marker = "[REDACTED]"

// secretWords make a key secret wherever they occur in it, in lower case and without separators.
var secretWords = withLetters(
	"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "privatekey", "signingkey",
	"encryptionkey", "authorization", "credential", "cookie", "signature", "bearer", "jwt", "sessionid", "connectionstring",
)

// secretWord is a word with the set of its letters, a bit each. Most keys lack one of the letters, which ends the search early.
type secretWord struct {
	word    string
	letters uint32
}

func withLetters(words ...string) (out []secretWord) {
	for _, w := range words {
		var set uint32
		for i := range len(w) {
			set |= 1 << (w[i] - 'a')
		}
		out = append(out, secretWord{w, set})
	}
	return out
}

// secretNames make a key secret only if they are the whole key.
var secretNames = []string{"auth", "pass", "sig", "dsn", "session", "otp", "pin"}

// secretKey reports whether a value under key is secret, and whether the key ends in the word that makes it so: "token"
// does, "secrets_found" does not.
func secretKey(key string) (secret, ends bool) {
	var arr [64]byte
	norm := arr[:0]
	var letters uint32
	for i := max(0, len(key)-cap(norm)); i < len(key); i++ {
		switch c := key[i]; {
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
			norm = append(norm, c|0x20)
			letters |= 1 << ((c | 0x20) - 'a')
		case c >= '0' && c <= '9':
			norm = append(norm, c)
		}
	}
	if len(norm) < 3 {
		return false, false
	}
	for _, name := range secretNames {
		if string(norm) == name {
			return true, true
		}
	}
	for _, w := range secretWords {
		if w.letters&^letters != 0 {
			continue
		}
		if strings.HasSuffix(string(norm), w.word) {
			return true, true
		}
		secret = secret || strings.Contains(string(norm), w.word)
	}
	return secret, false
}

// Hides reports whether v must be replaced because it stands under key. A number is replaced only if the key ends in the
// secret word: "secrets_found": 3 reveals nothing, "pin": 1234 does.
func Hides(key string, v any) bool {
	secret, ends := secretKey(key)
	if !secret {
		return false
	}
	switch v.(type) {
	case nil, bool:
		return false
	case int, int32, int64, uint, uint32, uint64, float32, float64, json.Number, time.Duration:
		return ends
	}
	return true
}

// Flag reports whether s is a command line flag, such as --token, whose value is the next word.
func Flag(s string) bool {
	if len(s) < 3 || len(s) > 64 || s[0] != '-' || strings.ContainsAny(s, "= ") {
		return false
	}
	_, ends := secretKey(s)
	return ends
}

// secretPrefixes begin the tokens of well-known issuers. A word with such a prefix is a token from min bytes on.
var secretPrefixes = []struct {
	prefix string
	min    int
}{
	{"ghp_", 20}, {"gho_", 20}, {"ghu_", 20}, {"ghs_", 20}, {"ghr_", 20}, {"github_pat_", 20},
	{"glpat-", 16}, {"gldt-", 16}, {"glrt-", 16}, {"AKIA", 20}, {"ASIA", 20}, {"AIza", 30}, {"ya29.", 20},
	{"xoxb-", 15}, {"xoxa-", 15}, {"xoxp-", 15}, {"xoxr-", 15}, {"xoxs-", 15}, {"xapp-", 15},
	{"sk_live_", 16}, {"rk_live_", 16}, {"sk-", 20}, {"npm_", 20}, {"pypi-", 20}, {"hf_", 20}, {"dop_v1_", 20},
	{"SG.", 30}, {"eyJ", 20},
}

// minToken is the least min of secretPrefixes.
const minToken = 15

// secretToken reports whether word, of at least minToken bytes, has the form of a token.
func secretToken(word string) bool {
	switch word[0] {
	case 'g', 'A', 'y', 'x', 's', 'r', 'n', 'p', 'h', 'd', 'S', 'e':
	default:
		return false
	}
	for _, p := range secretPrefixes {
		if len(word) >= p.min && strings.HasPrefix(word, p.prefix) {
			return p.prefix != "eyJ" || strings.Contains(word, ".")
		}
	}
	return false
}
