// Package homedir expands ~ in the paths of a configuration.
package homedir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Expand returns path as an absolute path, so that a later change of the working directory does not move it. A leading ~/
// stands for the home directory of the user; the error is os.UserHomeDir's if there is none.
func Expand(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("expand %s: %w", path, err)
		}
		path = filepath.Join(home, rest)
	}
	return filepath.Abs(path)
}
