package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asAgent makes the test binary the program. The tests of what it does are those of pkg/agentcmd.
const asAgent = "TEST_AS_EXAMPLE_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestExampleAgentHasItsNames(t *testing.T) {
	for args, want := range map[string]string{
		"version": "example-agent dev (commit unknown",
		"--help":  "REDIVER_STATE_DIR",
		"-h":      "~/.rediver",
	} {
		cmd := exec.Command(os.Args[0], args)
		cmd.Env = append(os.Environ(), asAgent+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("example-agent %s = %v and prints\n%s\nwant %q", args, err, out, want)
		}
	}
}
