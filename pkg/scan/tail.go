package scan

import (
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
)

const (
	tailBytes    = 16 << 10 // read from the end of a file
	tailLines    = 20       // kept of them
	tailLineSize = 500      // bytes kept of a line
)

// ansi matches the escape sequences by which programs colour text, move the cursor and set window titles.
var ansi = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// tail returns the last lines of a text file, without escape sequences, control characters and empty lines.
func tail(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close() // opened for reading
	cut := false
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		_, err = f.Seek(-tailBytes, io.SeekEnd)
		cut = err == nil
	}
	b, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return nil
	}
	return lastLines(string(b), cut)
}

// lastLines cleans text; cut says that its first line lacks its beginning.
func lastLines(text string, cut bool) []string {
	lines := strings.FieldsFunc(ansi.ReplaceAllString(text, ""), func(r rune) bool { return r == '\n' || r == '\r' })
	if cut && len(lines) > 1 {
		lines = lines[1:]
	}
	out := make([]string, 0, tailLines)
	for _, line := range lines {
		if line = cleanLine(line); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-tailLines):]
}

func cleanLine(line string) string {
	line = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, "")))
	if len(line) > tailLineSize {
		line = strings.ToValidUTF8(line[:tailLineSize], "") + "…"
	}
	return line
}
