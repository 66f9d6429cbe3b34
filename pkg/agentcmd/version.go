package agentcmd

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what the version verb prints.
type versionInfo struct {
	Version      string            `json:"version"`
	Commit       string            `json:"commit"`
	Go           string            `json:"go"`
	Platform     string            `json:"platform"`
	Dependencies map[string]string `json:"dependencies"`
}

func (a *cli) version() versionInfo {
	v := versionInfo{Version: a.Version, Commit: a.Commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Dependencies: map[string]string{}}
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, d := range bi.Deps {
			v.Dependencies[d.Path] = d.Version
		}
	}
	return v
}

func (a *cli) versionCommand() *cobra.Command {
	return a.plainVerb("version", "print version, commit, Go and dependencies", cobra.NoArgs, func(context.Context, []string) error {
		v := a.version()
		if a.json() {
			return a.printJSON(v)
		}
		a.printf("%s %s (commit %s, %s, %s)\n\n", a.Name, v.Version, v.Commit, v.Go, v.Platform)
		t := newTable(a.out, "DEPENDENCY", "VERSION")
		for _, path := range sortedKeys(v.Dependencies) {
			t.row(path, v.Dependencies[path])
		}
		return t.flush()
	})
}
