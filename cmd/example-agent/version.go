package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker; see the Makefile.
var (
	version = "dev"
	commit  = "unknown"
)

// versionInfo is what the version verb prints.
type versionInfo struct {
	Version      string            `json:"version"`
	Commit       string            `json:"commit"`
	Go           string            `json:"go"`
	Platform     string            `json:"platform"`
	Dependencies map[string]string `json:"dependencies"`
}

func thisVersion() versionInfo {
	v := versionInfo{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Dependencies: map[string]string{}}
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, d := range bi.Deps {
			v.Dependencies[d.Path] = d.Version
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return a.command("version", "version, commit, Go and dependencies", cobra.NoArgs, func(context.Context, []string) error {
		v := thisVersion()
		if a.json() {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.out, "example-agent %s (commit %s, %s, %s)\n\n", v.Version, v.Commit, v.Go, v.Platform)
		t := newTable(a.out, "DEPENDENCY", "VERSION")
		for _, path := range sortedKeys(v.Dependencies) {
			t.row(path, v.Dependencies[path])
		}
		return t.flush()
	})
}
