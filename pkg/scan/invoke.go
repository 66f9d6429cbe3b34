package scan

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The arguments in whose place those of Definition.Isolation and Definition.Offline come.
const (
	isolationPlace = "{isolation}"
	offlinePlace   = "{offline}"
)

// The files of a scan in its private directory, unless a definition names them.
const (
	defaultConfigName = "config"
	defaultOutputName = "report.sarif"
)

// networkEnv is what a scanner that downloads rules or databases needs of the environment.
var networkEnv = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// gitEnv keeps git, which some scanners call to list the files of the target, from running what .git/config of the target
// names.
var gitEnv = []string{
	"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=core.fsmonitor", "GIT_CONFIG_VALUE_0=false",
	"GIT_CONFIG_KEY_1=core.hooksPath", "GIT_CONFIG_VALUE_1=" + os.DevNull,
}

// invocation is a definition with what one run decides: the places it is about, and the settings in force.
type invocation struct {
	*Definition
	places   map[string]string // by placeholder
	isolated bool              // the target does not configure the scanner
	offline  bool
}

// invocation returns one without the places of a scan. dir is private to the run, and lasts as long.
func (r *Runner) invocation(d *Definition, path, dir string) (invocation, error) {
	v := invocation{
		Definition: d, places: map[string]string{}, offline: r.cfg.Offline,
		isolated: !slices.Contains(r.cfg.AllowTargetConfig, d.Name),
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return v, err
	}
	v.places["{bin}"] = filepath.Dir(real)
	if !d.needsCache() {
		return v, nil
	}
	caches := cmp.Or(r.cfg.CacheDir, filepath.Join(dir, "caches"))
	v.places["{cache}"], err = filepath.Abs(filepath.Join(caches, d.Name))
	if err != nil {
		return v, err
	}
	return v, os.MkdirAll(v.places["{cache}"], 0o700)
}

// arguments fills the placeholders. What replaces one is not searched for others.
func (v *invocation) arguments() []string {
	var out []string
	for _, a := range v.Args {
		switch a {
		case isolationPlace:
			if v.isolated {
				out = append(out, v.fill(v.Isolation.Args)...)
			}
		case offlinePlace:
			if v.offline {
				out = append(out, v.fill(v.Offline.Args)...)
			}
		default:
			out = append(out, v.fill([]string{a})...)
		}
	}
	return out
}

// template is the arguments with those of the settings in force, and the placeholders of places: the same for each scan,
// whatever its private directory.
func (v *invocation) template() []string {
	t := *v
	t.places = nil
	return t.arguments()
}

// env is what the definition adds to the environment.
func (v *invocation) env() []string {
	var out []string
	if v.isolated {
		out = append(out, gitEnv...)
	}
	out = append(out, v.Env...)
	if v.Network && !v.offline {
		out = append(out, networkEnv...)
	}
	if v.isolated {
		out = append(out, v.Isolation.Env...)
	}
	if v.offline {
		out = append(out, v.Offline.Env...)
	}
	return v.fill(out)
}

func (v *invocation) fill(texts []string) []string {
	pairs := make([]string, 0, 2*len(v.places))
	for place, with := range v.places {
		pairs = append(pairs, place, with)
	}
	r := strings.NewReplacer(pairs...)
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = r.Replace(text)
	}
	return out
}

// needsCache says whether the scanner has a directory that lasts.
func (d *Definition) needsCache() bool {
	return mentions(slices.Concat(d.Args, d.Env, d.Isolation.Args, d.Isolation.Env, d.Offline.Args, d.Offline.Env, d.Database.Args), "{cache}")
}
