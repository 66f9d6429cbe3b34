// Package homedir expands the paths of configurations.
package homedir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Expand makes path absolute, with a leading ~/ as the home directory, so that a later chdir moves nothing.
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
