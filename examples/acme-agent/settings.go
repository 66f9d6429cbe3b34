package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/agentcmd"
)

// settings is the section "acme" of the configuration file. Keys are the names of the fields in lower case with
// underscores, such as max_file_mb.
type settings struct {
	// Words are the words that no file may hold.
	Words []string
	// MaxFileMB is the size up to which a file is read, in MiB.
	MaxFileMB int
	// Outbox is the file to which reports are appended. Defaults to outbox.jsonl in the state directory.
	Outbox string
}

// Validate returns all problems. Each begins with the name of the setting, by which its line in the file is found.
func (s *settings) Validate() error {
	var errs []error
	if len(s.Words) == 0 {
		errs = append(errs, errors.New("words: want at least one"))
	}
	if s.MaxFileMB < 1 || s.MaxFileMB > 100 {
		errs = append(errs, fmt.Errorf("max_file_mb: %d is outside 1 to 100", s.MaxFileMB))
	}
	return errors.Join(errs...)
}

func (s *settings) outboxPath(env *agentcmd.Env) string {
	if s.Outbox != "" {
		return s.Outbox
	}
	return filepath.Join(env.StateDir, "outbox.jsonl")
}
