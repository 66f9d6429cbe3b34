package audit

import (
	"fmt"
	"os"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
)

// TestMain runs the tests, or the child process of one, and fails if goroutines of this package outlive the tests.
func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		crashChild(path)
		return
	}
	code := m.Run()
	if left := testkit.Goroutines("pkg/audit"); code == 0 && left != "" {
		fmt.Println("goroutines of pkg/audit still run after all tests:\n" + left)
		code = 1
	}
	os.Exit(code)
}
