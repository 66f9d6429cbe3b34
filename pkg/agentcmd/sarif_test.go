package agentcmd

import (
	"fmt"
	"strings"
)

// results is a SARIF document with n results, alternating in level.
func results(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		level := [...]string{"error", "warning", "note"}[i%3]
		fmt.Fprintf(&b, `{"ruleId":"rule-%d","level":%q,"message":{"text":"finding %d"},"locations":[{"physicalLocation":{`+
			`"artifactLocation":{"uri":"src/file%d.go"},"region":{"startLine":%d}}}]}`, i%7, level, i, i, i+1)
	}
	return document(b.String())
}

// document is a SARIF document around the elements of results.
func document(results string) string {
	return `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"handmade","version":"1"}},"results":[` + results + `]}]}`
}

// utf16 is the text in little endian UTF-16 with a byte order mark; it must be ASCII.
func utf16(text string) string {
	b := []byte{0xff, 0xfe}
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return string(b)
}
