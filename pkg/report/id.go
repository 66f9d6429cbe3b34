package report

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// MaxIDLen is the maximum length of a report ID in bytes.
const MaxIDLen = 256

// IDError is returned for a string that is not a valid ID.
type IDError struct {
	Field string // name of the field, such as "report_id"
	Value string // the string, truncated to 64 bytes
}

func (e *IDError) Error() string {
	return fmt.Sprintf("%s %q: want 1 to %d characters of A-Z a-z 0-9 _ -", e.Field, e.Value, MaxIDLen)
}

// CheckID returns an *IDError unless id is 1 to MaxIDLen characters of A-Z a-z 0-9 _ and -.
func CheckID(field, id string) error {
	if len(id) == 0 || len(id) > MaxIDLen || strings.IndexFunc(id, notIDRune) >= 0 {
		return &IDError{field, id[:min(len(id), 64)]}
	}
	return nil
}

// CleanID maps any string to a valid ID. A valid ID is returned unchanged. In any other string invalid characters are
// replaced by '_', and a hash of the string is appended, so that distinct strings have distinct IDs.
func CleanID(s string) string {
	if CheckID("", s) == nil {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	clean := strings.Map(func(r rune) rune {
		if notIDRune(r) {
			return '_'
		}
		return r
	}, s)
	return clean[:min(len(clean), 64)] + "-" + hex.EncodeToString(sum[:6])
}

func notIDRune(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-')
}

// NewID returns an ID of prefix, the time and 8 random bytes. IDs with the same prefix sort by time.
func NewID(prefix string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error: it crashes the program instead
	return fmt.Sprintf("%s-%s-%x", prefix, time.Now().UTC().Format("20060102T150405"), b)
}
