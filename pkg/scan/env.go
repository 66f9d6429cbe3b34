package scan

import (
	"fmt"
	"os"
	"strings"
)

// passed are the variables that every program may see. What is not set is left out.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ",
	"SystemRoot", "SystemDrive", "ComSpec", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "ProgramData", // Windows
}

// environment returns the whole environment of a scanner: the allow-list, its temporary directory, what keeps its
// messages plain, and what the definition adds: K=V, or K to pass the agent's on. A later setting of the same name
// replaces an earlier one.
func environment(add []string, tmp string, memoryBytes int64) []string {
	env := map[string]string{}
	var order []string
	set := func(name, value string) {
		if _, ok := env[name]; !ok {
			order = append(order, name)
		}
		env[name] = value
	}
	pass := func(name string) {
		if v, ok := os.LookupEnv(name); ok {
			set(name, v)
		}
	}
	for _, name := range passed {
		pass(name)
	}
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		set(name, tmp)
	}
	set("NO_COLOR", "1")
	set("TERM", "dumb")
	if memoryBytes > 0 { // a scanner written in Go collects garbage in time instead of being stopped
		set("GOMEMLIMIT", fmt.Sprint(memoryBytes/100*85))
	}
	for _, kv := range add {
		if name, value, ok := strings.Cut(kv, "="); ok {
			set(name, value)
		} else {
			pass(name)
		}
	}
	out := make([]string, len(order))
	for i, name := range order {
		out[i] = name + "=" + env[name]
	}
	return out
}
