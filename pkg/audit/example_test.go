package audit_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/audit"
)

// How do I keep an audit log of my agent, and read it?
func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "audit.log")

	logger, err := audit.NewLogger(&audit.LoggerConfig{AgentID: "agent-001", LogFile: file})
	if err != nil {
		fmt.Println(err)
		return
	}
	logger.Start()
	logger.JobStarted("job-456", "scan", map[string]any{"target": "https://bob:hunter2@example.com/repo"})
	logger.JobCompleted("job-456", 45*time.Second, map[string]any{"findings_count": 23})
	if err := logger.Stop(); err != nil {
		fmt.Println(err)
	}

	f, err := os.Open(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e audit.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Println(err)
		}
		if strings.HasPrefix(string(e.Type), "audit_") {
			continue // what the log says about itself: here, the header of the file
		}
		fmt.Println(e.Type, e.AgentID, e.Duration, e.Details)
	}
	// Output:
	// job_started agent-001 0s map[job_type:scan target:https://[REDACTED]@example.com/repo]
	// job_completed agent-001 45s map[findings_count:23]
}

// How do I see that the log is well?
func ExampleLogger_Stats() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	logger, err := audit.NewLogger(&audit.LoggerConfig{LogFile: filepath.Join(dir, "audit.log")})
	if err != nil {
		fmt.Println(err)
		return
	}
	logger.Start()
	defer logger.Stop()
	logger.Info(audit.EventAgentStart, "up", nil) // on disk when it returns
	s := logger.Stats()
	fmt.Println(s.Logged, s.Synced, s.Dropped, s.Failing, s.LastError)
	// Output: 1 1 0 false
}
