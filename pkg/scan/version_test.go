package scan

import "testing"

func TestVersionPattern(t *testing.T) {
	for line, want := range map[string]string{
		"v8.30.1":                              "v8.30.1",
		"Version: 0.58.1":                      "0.58.1",
		"fake scanner 1.2.3":                   "1.2.3",
		"1.100.0-rc.1+build5 (linux)":          "1.100.0-rc.1+build5",
		"version is set by build process":      "",
		"Version: dev":                         "",
		"tool 2.22 built with go1.26.8, 12:30": "2.22",
	} {
		if got := versionPattern.FindString(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
