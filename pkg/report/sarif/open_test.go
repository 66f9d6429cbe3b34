package sarif

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

const one = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"results":[{"ruleId":"A","message":{"text":"é😀"}}]}]}`

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want error
	}{
		{"", ErrEmpty},
		{" \n\t", ErrEmpty},
		{"\xef\xbb\xbf", ErrEmpty},
		{"not found", ErrNotJSON},
		{"[1,2]", ErrNotJSON},
		{"null", ErrNotJSON},
		{`{"a":1,x`, ErrNotJSON},
		{"{}", ErrNotSARIF},
		{`{"version":"2.1.0","name":"a package"}`, ErrNotSARIF},
		{`{"version":"1.0.0","name":"a package"}`, ErrNotSARIF},
		{`{"runs":[{"results":[]}]}`, ErrNotSARIF},
		{`{"runs":`, ErrNotSARIF},
		{`{"version":"2.0.0","runs":[]}`, &VersionError{"2.0.0"}},
		{`{"runs":[],"version":"1.0.0"}`, &VersionError{"1.0.0"}},
		{"\x1f\x8b\x08\x00", &EncodingError{"gzip"}},
		{"\x28\xb5\x2f\xfd\x00", &EncodingError{"zstd"}},
	} {
		_, err := Open(strings.NewReader(tc.in), Options{})
		var version *VersionError
		var enc *EncodingError
		switch want := tc.want.(type) {
		case *VersionError:
			if !errors.As(err, &version) || version.Version != want.Version {
				t.Errorf("%q: %v, want %v", tc.in, err, want)
			}
		case *EncodingError:
			if !errors.As(err, &enc) || enc.Encoding != want.Encoding {
				t.Errorf("%q: %v, want %v", tc.in, err, want)
			}
		default:
			if !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", tc.in, err, want)
			}
		}
	}
}

func TestOpenReadsEncodingsAndBanners(t *testing.T) {
	wide := func(order binary.AppendByteOrder, bom bool) string {
		var b []byte
		if bom {
			b = order.AppendUint16(b, 0xfeff)
		}
		for _, u := range utf16.Encode([]rune(one)) {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	for name, in := range map[string]string{
		"plain":          one,
		"byte order":     "\xef\xbb\xbf" + one,
		"utf-16le":       wide(binary.LittleEndian, true),
		"utf-16be":       wide(binary.BigEndian, true),
		"utf-16le plain": wide(binary.LittleEndian, false),
		"utf-16be plain": wide(binary.BigEndian, false),
		"banner":         "12:00 INFO {scan} started\n" + one,
		"space":          "\r\n  " + one + "\n",
		"trailer":        one + "\ndone {ok}\n",
		"pre-release":    strings.Replace(one, "2.1.0", "2.1.0-rtm.5", 1),
		"no version":     strings.Replace(one, `"version":"2.1.0",`, "", 1),
		"duplicate runs": strings.Replace(one, `"runs"`, `"runs":[],"runs"`, 1),
	} {
		sum, got, err := check(t, []byte(in), Options{})
		if err != nil || len(got) != 1 || got[0].Message != "é😀" || sum.Partial {
			t.Errorf("%s: %+v %v", name, sum, err)
		}
		odd := name == "banner" || name == "trailer" || name == "no version"
		if (len(sum.Warnings) > 0) != odd {
			t.Errorf("%s: warnings %q", name, sum.Warnings)
		}
	}
}

func TestUnpairedSurrogates(t *testing.T) {
	r := newUTF16Reader(bytes.NewReader([]byte{0x3d, 0xd8, 'a', 0, 0x00, 0xde, 0x3d, 0xd8, 0x00, 0xde, 'b', 0, 'c'}), binary.LittleEndian)
	got, err := io.ReadAll(r)
	if want := "\uFFFDa\uFFFD😀b\uFFFD"; string(got) != want || err != nil {
		t.Errorf("%q, want %q (%v)", got, want, err)
	}
}

func TestRuns(t *testing.T) {
	b, err := os.ReadFile("testdata/rich.sarif")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b), Options{})
	if err != nil {
		t.Fatal(err)
	}
	runs := f.Runs()
	if len(runs) != 4 {
		t.Fatalf("%d runs", len(runs))
	}
	r := runs[0]
	if r.Tool.Name != "deep" || r.Rules != 1 || r.Results != 6 || r.ResultsUnknown ||
		r.ExecutionSuccessful == nil || !*r.ExecutionSuccessful {
		t.Errorf("run 0: %+v", r)
	}
	if len(r.Notifications) != 1 || r.Notifications[0] != (Notification{"parse", "3 files do not parse"}) {
		t.Errorf("notifications: %+v", r.Notifications)
	}
	if r.EndTime.Sub(r.StartTime) != 5*time.Minute || *r.VersionControl != (VersionControl{"https://example.com/r.git", "abc123", "main"}) {
		t.Errorf("run 0: %v %v %+v", r.StartTime, r.EndTime, r.VersionControl)
	}
	if s := runs[1].ExecutionSuccessful; s == nil || *s || runs[1].Results != 1 {
		t.Errorf("run 1: %+v", runs[1])
	}
	if !runs[2].ResultsUnknown || !runs[3].ResultsUnknown || runs[2].ExecutionSuccessful != nil {
		t.Errorf("results null and absent are known: %+v %+v", runs[2], runs[3])
	}
}

func TestToolVersion(t *testing.T) {
	b, err := os.ReadFile("testdata/messages.sarif")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b), Options{})
	if err != nil {
		t.Fatal(err)
	}
	tool := f.Runs()[0].Tool
	if tool.Version != "1.2.3" || tool.Vendor != "Us" || tool.InfoURL != "https://example.com" {
		t.Errorf("%+v", tool)
	}
}

func TestReadErrorIsReturned(t *testing.T) {
	broken := errors.New("disk on fire")
	f, err := Open(strings.NewReader(one), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.in.r = brokenReader{broken}
	if _, err := f.Findings(drop); !errors.Is(err, broken) {
		t.Errorf("Findings: %v", err)
	}
	if _, err := Open(brokenReader{broken}, Options{}); !errors.Is(err, broken) {
		t.Errorf("Open: %v", err)
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error)                { return 0, b.err }
func (b brokenReader) Seek(_ int64, whence int) (int64, error) { return int64(whence) * 50, nil }
