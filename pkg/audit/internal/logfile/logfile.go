// Package logfile is the format of the audit log on disk: the end of each line with its number and chain value, the headers
// and trailers of files, the files of a log in the order of their lines, and a reader of these lines.
package logfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/homedir"
	"github.com/rediverio/sdk/pkg/event"
)

// DefaultPath is the current file of a log that has no other name.
const DefaultPath = "~/.rediver/audit.log"

// MaxLineBytes is the largest size of a line, its newline included.
const MaxLineBytes = 64 << 10

// StampFormat is the time in the name of a rotated file: audit-2024-01-15T10-30-00.000.log.
const StampFormat = "2006-01-02T15-04-05.000"

// The events of the log about itself.
const (
	EventDropped   event.Type = "audit_dropped"   // events were lost: how many of each type, first and last time
	EventRecovered event.Type = "audit_recovered" // the file was not as it was left: torn tail, removed, replaced
	EventPruned    event.Type = "audit_pruned"    // a rotated file passed MaxAgeDays or MaxBackups and is deleted
	EventOpened    event.Type = "audit_opened"    // header of a file; has no number
	EventRotated   event.Type = "audit_rotated"   // trailer of a file; has no number
	EventError     event.Type = "audit_error"     // the log could not be rotated, or a write failed for a time
)

// OwnPrefix begins the types of the events of the log about itself.
const OwnPrefix = "audit_"

// FilePath returns the log's current file for what a user calls the log.
func FilePath(path string) (string, error) {
	if path == "" {
		path = DefaultPath
	}
	path, err := homedir.Expand(path)
	if err != nil {
		return "", err
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, filepath.Base(DefaultPath))
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("find the audit log: %w", err)
	}
	return path, nil
}

// lineType reads the event's type from a line that the encoder wrote.
func LineType(line []byte) event.Type {
	_, rest, _ := bytes.Cut(line, []byte(`"type":"`))
	t, _, _ := bytes.Cut(rest, []byte(`"`))
	return event.Type(t)
}

// Clip cuts s to at most n bytes, at the start of a character where it has any.
func Clip(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for back := 0; back < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); back++ {
		n--
	}
	return s[:n], true
}
