package scan

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// MaxSlots is the most that Definition.Slots may be.
const MaxSlots = 1024

// What a scanner takes a missing target for, in Definition.MissingTarget.
const (
	MissingClean = "clean"
	MissingError = "error"
)

// Validate returns every problem of the definition in one error.
func (d *Definition) Validate() error {
	v := validator{name: d.Name}
	if err := report.CheckID("name", d.Name); err != nil {
		v.errs = append(v.errs, err)
	}
	if d.Command == "" {
		v.add("command is empty")
	}
	if d.Server.enabled() {
		d.Server.validate(v.add)
	} else {
		v.placeholders(d)
	}
	v.files(d)
	for _, code := range slices.Concat(d.ExitCodes.Clean, d.ExitCodes.Findings, d.ExitCodes.Error) {
		if code < 0 || code > 255 {
			v.add("exit code %d is outside 0 to 255", code)
		}
	}
	for _, kv := range slices.Concat(d.Env, d.Isolation.Env, d.Offline.Env) {
		if name, _, _ := strings.Cut(kv, "="); name == "" || strings.ContainsRune(kv, 0) {
			v.add("env %q is neither NAME nor NAME=VALUE", kv)
		}
	}
	v.oneOf("missing_target", d.MissingTarget, MissingClean, MissingError)
	v.oneOf("sample", d.Sample, SampleKinds()...)
	if len(d.Database.Args) > 0 && d.Database.File != "" {
		v.add("database has both args and file")
	}
	if d.MemoryBytes < 0 {
		v.add("memory_bytes: %d is below 0", d.MemoryBytes)
	}
	if d.Slots < 0 || d.Slots > MaxSlots {
		v.add("slots: %d is outside 0 to %d", d.Slots, MaxSlots)
	}
	return errors.Join(v.errs...)
}

// validator collects the problems of one definition.
type validator struct {
	name string
	errs []error
}

func (v *validator) add(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("scanner %q: "+format, append([]any{v.name}, args...)...))
}

func (v *validator) oneOf(field, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		v.add("%s: %q is not one of %s", field, value, strings.Join(allowed, ", "))
	}
}

func (v *validator) placeholders(d *Definition) {
	all := slices.Concat(d.Args, d.Isolation.Args, d.Offline.Args)
	if !d.Stdout && !mentions(all, "{output}") && !mentions(all, "{output_dir}") {
		v.add("args have no {output} and stdout is false: nothing says where the SARIF is")
	}
	if !d.InTarget && !mentions(all, "{target}") {
		v.add("args have no {target} and in_target is false: nothing says what to scan")
	}
	if d.Config == "" && mentions(all, "{config}") {
		v.add("args have {config}, but config is empty")
	}
	for place, flags := range map[string]Flags{isolationPlace: d.Isolation, offlinePlace: d.Offline} {
		if len(flags.Args) > 0 && !slices.Contains(d.Args, place) {
			v.add("args have no %s, where those of %s go", place, strings.Trim(place, "{}"))
		}
	}
}

func (v *validator) files(d *Definition) {
	for _, f := range []struct{ field, name string }{{"config_name", d.ConfigName}, {"output_name", d.OutputName}} {
		if f.name != "" && (f.name != filepath.Base(f.name) || !filepath.IsLocal(f.name) || strings.ContainsAny(f.name, "/\\\x00")) {
			v.add("%s: %q is no plain file name", f.field, f.name)
		}
	}
	if slices.Contains([]string{"stdout", "stderr"}, d.OutputName) {
		v.add("output_name: %q is what the scanner prints", d.OutputName)
	}
	for _, name := range slices.Concat(d.Needs, d.SilencedBy, d.RefusedBy) {
		if !filepath.IsLocal(name) {
			v.add("needs, silenced_by or refused_by: %q leads out of the target", name)
		}
	}
}
