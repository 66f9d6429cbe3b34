package sarif

import (
	"os"
	"path/filepath"
	"testing"
)

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
		{artifact{URI: "a.go", BaseID: "BOX"}, "/container/a.go", true},
		{artifact{URI: "a.go", BaseID: "FS"}, "/a.go", true},
		{artifact{URI: "a.go", BaseID: "%SRCROOT%"}, "a.go", false},
		{artifact{URI: "a.go", BaseID: "A"}, "b/a/a.go", false},
		{artifact{Index: index(0)}, "src/by-index.go", false},
		{artifact{Index: index(7)}, "", false},
		{artifact{Index: index(-1)}, "", false},
		{artifact{URI: "https://example.com/a?b"}, "https://example.com/a?b", false},
		{artifact{}, "", false},
	} {
		f := &File{root: root{spellings: []string{"/repo"}}}
		if got, outside := f.resolve(r, tc.in); got != tc.want || outside != tc.outside {
			t.Errorf("%+v: %q outside %t, want %q %t", tc.in, got, outside, tc.want, tc.outside)
		}
	}
	windows := &File{root: root{spellings: []string{"C:/Work"}}}
	if got, outside := windows.resolve(r, artifact{URI: "file:///c:/work/a.cs"}); got != "a.cs" || outside {
		t.Errorf("below a drive: %q %t", got, outside)
	}
	none := &File{}
	if got, outside := none.resolve(r, artifact{URI: "/x/a.go"}); got != "/x/a.go" || outside {
		t.Errorf("without a root: %q %t", got, outside)
	}
}

// In a run that was made elsewhere, one base corresponds to the root, and others do not.
func TestForeignBases(t *testing.T) {
	file := func(uri string) artifact { return artifact{URI: text(uri)} }
	for name, tc := range map[string]struct {
		bases map[string]artifact
		base  text
		want  string
		out   bool
	}{
		"its only base":                {map[string]artifact{"ANY": file("file:///builds/x/")}, "ANY", "a/b.go", false},
		"a base without a place":       {map[string]artifact{"ROOTPATH": file("file:///")}, "ROOTPATH", "a/b.go", false},
		"the one named root":           {map[string]artifact{"%SRCROOT%": file("file:///ci/"), "HOME": file("file:///home/u/")}, "%SRCROOT%", "a/b.go", false},
		"the other one":                {map[string]artifact{"%SRCROOT%": file("file:///ci/"), "HOME": file("file:///home/u/")}, "HOME", "/home/u/a/b.go", true},
		"two, none named root":         {map[string]artifact{"A": file("file:///a/"), "B": file("file:///b/")}, "A", "/a/a/b.go", true},
		"two, both named root":         {map[string]artifact{"ROOT1": file("file:///a/"), "ROOT2": file("file:///b/")}, "ROOT2", "/b/a/b.go", true},
		"one is the root of the scan":  {map[string]artifact{"SRC": file("file:///repo/src/"), "TMP": file("file:///tmp/")}, "TMP", "/tmp/a/b.go", true},
		"a path below that root":       {map[string]artifact{"SRC": file("file:///repo/src/"), "TMP": file("file:///tmp/")}, "SRC", "src/a/b.go", false},
		"below the only base":          {map[string]artifact{"R": file("file:///ci/"), "S": {URI: "sub/", BaseID: "R"}}, "S", "sub/a/b.go", false},
		"no such base":                 {nil, "%SRCROOT%", "a/b.go", false},
		"a base on a Windows machine":  {map[string]artifact{"SRCROOT": file("file:///C:/agent/_work/1/s/")}, "SRCROOT", "a/b.go", false},
		"a share on a Windows machine": {map[string]artifact{"SRCROOT": file(`\\build\s`), "T": file("file:///D:/t")}, "T", "D:/t/a/b.go", true},
	} {
		f, r := &File{root: root{spellings: []string{"/repo"}}}, &run{bases: tc.bases}
		f.findHome(r)
		if got, out := f.resolve(r, artifact{URI: "a/b.go", BaseID: tc.base}); got != tc.want || out != tc.out {
			t.Errorf("%s: %q outside %t, want %q %t", name, got, out, tc.want, tc.out)
		}
	}
}

// A path in the repository but beside the root is outside.
func TestBaseAboveTheRoot(t *testing.T) {
	f, r := &File{root: root{spellings: []string{"/repo/service"}}}, &run{bases: map[string]artifact{"SRCROOT": {URI: "file:///repo/"}}}
	f.findHome(r)
	for uri, want := range map[string]string{"service/a.go": "a.go", "lib/a.go": "/repo/lib/a.go"} {
		if got, out := f.resolve(r, artifact{URI: text(uri), BaseID: "SRCROOT"}); got != want || out != isAbs(want) {
			t.Errorf("%s: %q outside %t, want %q", uri, got, out, want)
		}
	}
}

// A path with a symbolic link out of the root is marked, also if .. follows the link.
func TestLinksOutOfTheRoot(t *testing.T) {
	dir := t.TempDir()
	root, away := filepath.Join(dir, "root"), filepath.Join(dir, "away")
	for _, d := range []string{filepath.Join(root, "src"), filepath.Join(away, "deep")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"out": away, "src/up": "../../away", "src/self": "../src", "file": filepath.Join(away, "secret"), "src/loop": "loop", "deep": filepath.Join(away, "deep"),
	} {
		if err := os.Symlink(to, filepath.Join(root, filepath.FromSlash(link))); err != nil {
			t.Skip(err) // requires a privilege on Windows
		}
	}
	if err := os.WriteFile(filepath.Join(away, "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := &File{root: newRoot(root)}
	for uri, tc := range map[string]struct {
		path    string
		outside bool
	}{
		"src/a.go": {"src/a.go", false}, "src/self/a.go": {"src/self/a.go", false}, "new/a.go": {"new/a.go", false},
		"out/a.go": {"out/a.go", true}, "out/not/there.go": {"out/not/there.go", true}, "src/up/secret": {"src/up/secret", true},
		"src/self/up/secret": {"src/self/up/secret", true}, "file": {"file", true}, "src/loop/x": {"src/loop/x", false},
		"deep/../secret": {"secret", true}, "src/../src/a.go": {"src/a.go", false}, "": {"", false}, ".": {".", false},
		filepath.ToSlash(root) + "/out/a.go": {"out/a.go", true}, filepath.ToSlash(root) + "/src/a.go": {"src/a.go", false},
	} {
		for range 2 { // the second time from the cache
			if got, outside := f.resolve(&run{}, artifact{URI: text(uri)}); got != tc.path || outside != tc.outside {
				t.Errorf("%q: %q outside %t, want %q %t", uri, got, outside, tc.path, tc.outside)
			}
		}
	}
}
