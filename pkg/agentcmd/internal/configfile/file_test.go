package configfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
)

// sample has a setting of each kind, and fields that are none.
type sample struct {
	Name     string
	MaxMB    int
	Ratio    float64
	Wait     time.Duration
	On       bool
	Words    []string
	Inner    struct{ Depth uint }
	List     []struct{ Key string }
	Hidden   string `yaml:"-"`
	Renamed  string `yaml:"other"`
	Callback func()
}

func read(t *testing.T, text string, env map[string]string) (*sample, *configfile.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &sample{}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	f, err := configfile.Read(path, "APP_", lookup, []configfile.Setting{{Path: []string{"own"}, Value: reflect.ValueOf(s).Elem()}})
	return s, f, err
}

func TestReadSetsEveryKind(t *testing.T) {
	s, f, err := read(t, "own: {name: a, max_mb: 5, Ratio: 0.5, wait: 90s, on: yes, words: [x, y], inner: {depth: 3}, list: [{key: k}], other: o}\n",
		map[string]string{"APP_OWN_WAIT": "2m", "APP_OWN_INNER_DEPTH": "4"})
	if err != nil {
		t.Fatal(err)
	}
	want := sample{Name: "a", MaxMB: 5, Ratio: 0.5, Wait: 2 * time.Minute, On: true, Words: []string{"x", "y"}, Renamed: "o"}
	want.Inner.Depth, want.List = 4, []struct{ Key string }{{"k"}}
	if fmt.Sprint(*s) != fmt.Sprint(want) {
		t.Errorf("Read sets %+v, want %+v", *s, want)
	}
	if !f.IsSet("own.max_mb") || f.IsSet("own.hidden") {
		t.Errorf("IsSet: max_mb %v, hidden %v; want true and false", f.IsSet("own.max_mb"), f.IsSet("own.hidden"))
	}
}

func TestReadReportsProblemsAtTheirPlaces(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"own: {nam: a}", `:1:7: unknown key "nam" in own; did you mean "name"?`},
		{"own: {hidden: a}", `:1:7: unknown key "hidden" in own`},
		{"own: {callback: a}", `:1:7: unknown key "callback" in own`},
		{"own: {max_mb: 1.5}", `:1:15: own.max_mb: "1.5" is not a whole number`},
		{"own: {wait: soon}", `:1:13: own.wait: invalid duration "soon"`},
		{"own: {list: x}", `:1:13: own.list: want a list`},
		{"own: {name: a, Name: b}", `:1:16: key "Name" is set in line 1 already`},
		{"else: 1", `:1:1: unknown key "else" in the configuration`},
	} {
		_, _, err := read(t, c.text, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Read(%q) = %v, want %q", c.text, err, c.want)
		}
	}
}

func TestReportFindsTheSettingThatAnErrorNames(t *testing.T) {
	const text = "own:\n  max_mb: 5\n  inner:\n    depth: 3\n  list:\n    - {key: k}\n"
	for _, c := range []struct {
		err  error
		want string
	}{
		{&config.FieldError{Field: "own.max_mb", Problem: "too large"}, ":2:3: own.max_mb: too large"},
		{errors.New("max_mb: too large"), ":2:3: own.max_mb: too large"},
		{errors.New("MaxMB: too large"), ":2:3: own.max_mb: too large"},
		{fmt.Errorf("inner: %w", errors.New("depth: http: bad")), ":4:5: own.inner.depth: http: bad"},
		{errors.New("list.0.length: too short"), ":6:7: own.list.0.length: too short"},
		{errors.New("name: missing"), ":1:1: own.name: missing"},
		{errors.New("all is wrong"), ":1:1: own: all is wrong"},
	} {
		_, f, err := read(t, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Report("own", errors.Join(c.err))
		if err := f.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("after Report(%v): Err() = %v, want %q", c.err, err, c.want)
		}
	}
}
