package scan_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/scan"
)

// In a directory where everybody may write, somebody else may put what looks like the directory of a dead agent, with a
// record that leads to any process of the host. It is neither believed nor removed.
func TestSweepSparesWhatOthersHavePlanted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be somebody else")
	}
	victim := exec.Command("sleep", "60")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- victim.Wait() }()
	defer victim.Process.Kill()

	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	start := startOf(t, victim.Process.Pid)
	f := strings.Split(proc.Owner(), ".")
	owner := f[0] + ".2147483647." + f[2]
	temp := t.TempDir()
	dir := filepath.Join(temp, "rediver-scan-"+owner+"-planted")
	text := fmt.Sprintf(`{"boot":%q,"owner":%q,"pid":%d,"start":%d}`, strings.TrimSpace(string(boot)), owner, victim.Process.Pid, start)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "processes")
	if err := os.WriteFile(record, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, record} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	r, err := scan.NewRunner(scan.Config{Dir: temp})
	if err != nil {
		t.Fatal(err)
	}
	if _, dirs, err := r.Sweep(); dirs != 0 || err != nil {
		t.Errorf("%d directories, %v", dirs, err)
	}
	select {
	case err := <-ended:
		t.Errorf("the process on the planted record ended: %v", err)
	case <-time.After(50 * time.Millisecond): // for the signal, which is there before Sweep returns
	}
	if _, err := os.Stat(record); err != nil {
		t.Error(err)
	}

	// The same of our own is believed: it is the record of what we have started.
	for _, path := range []string{dir, record} {
		if err := os.Chown(path, os.Geteuid(), os.Getegid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, dirs, err := r.Sweep(); dirs != 1 || err != nil {
		t.Errorf("%d directories, %v", dirs, err)
	}
	if err := <-ended; err == nil || victim.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process on record ended with %v", err)
	}
}

// startOf returns the start of a process as a record has it.
func startOf(t *testing.T, pid int) uint64 {
	t.Helper()
	all, _, err := proc.List(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.PID == pid {
			return p.Start
		}
	}
	t.Fatal("there is no such process")
	return 0
}
