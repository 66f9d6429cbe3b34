package sarif

import "testing"

func TestPaths(t *testing.T) {
	index := func(f float64) *float64 { return &f }
	r := &run{
		bases: map[string]artifact{
			"ROOT": {URI: "file:///repo/"}, "SRC": {URI: "src/", BaseID: "ROOT"}, "BOX": {URI: "file:///container/"},
			"FS": {URI: "/"}, "A": {URI: "a", BaseID: "B"}, "B": {URI: "b", BaseID: "A"}, "UP": {URI: "../..", BaseID: "ROOT"},
		},
		artifacts: []artifact{{URI: "by-index.go", BaseID: "SRC"}},
	}
	for _, tc := range []struct {
		in      artifact
		want    string
		outside bool
	}{
		{artifact{URI: "a/b.go"}, "a/b.go", false},
		{artifact{URI: "./a//b.go"}, "a/b.go", false},
		{artifact{URI: `a\b.go`}, "a/b.go", false},
		{artifact{URI: "a%20b.go"}, "a b.go", false},
		{artifact{URI: "100%.txt"}, "100%.txt", false},
		{artifact{URI: "a%00b"}, "a%00b", false},
		{artifact{URI: "/repo/a.go"}, "a.go", false},
		{artifact{URI: "/repo"}, "repo", false},
		{artifact{URI: "/repository/a.go"}, "/repository/a.go", true},
		{artifact{URI: "file:///repo/x%20y.go"}, "x y.go", false},
		{artifact{URI: "file:/repo/x.go"}, "x.go", false},
		{artifact{URI: "file://localhost/repo/x.go"}, "x.go", false},
		{artifact{URI: "file://host/share/x.go"}, "/host/share/x.go", true},
		{artifact{URI: "file:///C:/x/y.cs"}, "C:/x/y.cs", true},
		{artifact{URI: `C:\x\y.cs`}, "C:/x/y.cs", true},
		{artifact{URI: "/repo/../etc/passwd"}, "/etc/passwd", true},
		{artifact{URI: "/repo/%2e%2e/etc/passwd"}, "/etc/passwd", true},
		{artifact{URI: "../../../x"}, "../../../x", true},
		{artifact{URI: "a/../../x"}, "../x", true},
		{artifact{URI: "a.go", BaseID: "SRC"}, "src/a.go", false},
		{artifact{URI: "../../a.go", BaseID: "SRC"}, "../a.go", true},
		{artifact{URI: "a.go", BaseID: "UP"}, "../../a.go", true},
		{artifact{URI: "a.go", BaseID: "BOX"}, "a.go", false},
		{artifact{URI: "a.go", BaseID: "FS"}, "a.go", false},
		{artifact{URI: "a.go", BaseID: "%SRCROOT%"}, "a.go", false},
		{artifact{URI: "a.go", BaseID: "A"}, "b/a/a.go", false},
		{artifact{Index: index(0)}, "src/by-index.go", false},
		{artifact{Index: index(7)}, "", false},
		{artifact{Index: index(-1)}, "", false},
		{artifact{URI: "https://example.com/a?b"}, "https://example.com/a?b", false},
		{artifact{}, "", false},
	} {
		f := &File{root: []string{"/repo"}}
		if got, outside := f.resolve(r, tc.in); got != tc.want || outside != tc.outside {
			t.Errorf("%+v: %q outside %t, want %q %t", tc.in, got, outside, tc.want, tc.outside)
		}
	}
	windows := &File{root: []string{"C:/Work"}}
	if got, outside := windows.resolve(r, artifact{URI: "file:///c:/work/a.cs"}); got != "a.cs" || outside {
		t.Errorf("below a drive: %q %t", got, outside)
	}
	none := &File{}
	if got, outside := none.resolve(r, artifact{URI: "/x/a.go"}); got != "/x/a.go" || outside {
		t.Errorf("without a root: %q %t", got, outside)
	}
}
