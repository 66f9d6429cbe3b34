package audit

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain runs the tests, or is the child of one, and fails when a goroutine of this package is left.
func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		crashChild(path)
		return
	}
	code := m.Run()
	if left := leftOver(); code == 0 && left != "" {
		fmt.Println("left over:\n" + left)
		code = 1
	}
	os.Exit(code)
}

// leftOver returns a goroutine of this package that does not end; lumberjack's one for the process is not ours.
func leftOver() (stack string) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		stack = ""
		for _, g := range strings.Split(string(buf), "\n\n") {
			if strings.Contains(g, "pkg/audit.(") {
				stack = g
			}
		}
		if stack == "" {
			return ""
		}
	}
	return stack
}
