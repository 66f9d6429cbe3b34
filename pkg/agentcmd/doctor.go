package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/internal/diskspace"
	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/internal/term"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
	"github.com/rediverio/sdk/pkg/limits"
)

// The results of one check.
const (
	findingOK   = "ok"
	findingWarn = "warn" // it works, but needs attention
	findingFail = "FAIL"
)

// finding is the result of one check.
type finding struct {
	Name    string       `json:"name"`
	Status  string       `json:"status"`
	Detail  string       `json:"detail"`
	Scanner *scannerInfo `json:"scanner,omitempty"`
	Trials  []trialInfo  `json:"trials,omitempty"` // runs of a scanner
}

// doctor collects findings, and prints each at once.
type doctor struct {
	a        *cli
	findings []finding
}

func (d *doctor) add(f finding) {
	d.findings = append(d.findings, f)
	if !d.a.json() {
		d.a.printf("%-5s %-16s %s\n", f.Status, f.Name, term.Line(f.Detail, 300))
	}
}

// check adds a finding: FAIL with err, or else ok with the text.
func (d *doctor) check(name string, err error, format string, args ...any) {
	if err != nil {
		d.add(finding{Name: name, Status: findingFail, Detail: err.Error()})
		return
	}
	d.add(finding{Name: name, Status: findingOK, Detail: fmt.Sprintf(format, args...)})
}

func (a *cli) doctorCommand() *cobra.Command {
	timeout := 5 * time.Minute
	cmd := a.verb("doctor [NAME…]", "check the installation: configuration, state directory, server, and each scanner on a small target", cobra.ArbitraryArgs, func(ctx context.Context, names []string) error {
		s, err := a.newScanner(nil)
		if err != nil {
			return err
		}
		defer s.closeServers()
		if err := s.check(names); err != nil {
			return err
		}
		if timeout <= 0 {
			return Usagef("--timeout %v: want more than 0", timeout)
		}
		ctx, stop := a.untilSignal(ctx, "stopping the scanner", func() {})
		defer stop()
		d := &doctor{a: a, findings: []finding{}}
		d.installation(ctx)
		d.scanners(ctx, s, names, timeout)
		return d.verdict()
	})
	cmd.Long = `Checks the configuration, the state directory with its space, permissions and lock, and the server with its
credentials. Then it runs each installed scanner, or the named ones, on small targets of its own, which it removes again:
one without a flaw, in which nothing may be found; one with a flaw, which must be found; and one that does not exist,
which must have the outcome that the definition declares. It prints time and peak memory. It uploads nothing.

Exit codes: 0 no FAIL · 2 a FAIL · 64 usage · 78 the configuration is wrong`
	cmd.Example = "  {agent} doctor\n  {agent} doctor gitleaks semgrep\n  {agent} doctor -o json --config agent.yaml"
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "time limit for all runs of one scanner")
	return cmd
}

func (d *doctor) installation(ctx context.Context) {
	c := d.a.cfg
	file := "all defaults"
	if d.a.flags.config != "" {
		file = d.a.flags.config
	}
	d.check("configuration", nil, "%s", file)
	text, err := stateDir(c.Agent.StateDir, c.Limits.FileSystem)
	d.check("state directory", err, "%s", text)
	if err == nil {
		d.mode(c.Agent.StateDir)
	}
	d.agent(ctx)
	text, err = d.a.reach(ctx)
	d.check("server", err, "%s", text)
}

// stateDir describes the state directory, which need not exist yet, or returns why the agent cannot work in it.
func stateDir(dir string, fs limits.FileSystemLimits) (string, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		parent := filepath.Dir(dir)
		for !exists(parent) && parent != filepath.Dir(parent) {
			parent = filepath.Dir(parent)
		}
		return dir + " does not exist yet: the first run creates it", writable(parent)
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	if err := errors.Join(writable(dir), fs.FreeSpace(dir)); err != nil {
		return "", err
	}
	free, total, err := diskspace.Of(dir)
	if err != nil {
		return dir + ", on a disk of unknown size", nil
	}
	return fmt.Sprintf("%s, %s of %s free", dir, bytesText(free), bytesText(total)), nil
}

// writable returns an error if no file can be created in a directory.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// mode warns of a state directory that others can read: it holds findings.
func (d *doctor) mode(dir string) {
	info, err := os.Stat(dir)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		d.add(finding{Name: "permissions", Status: findingWarn, Detail: fmt.Sprintf("%s has mode %04o: others can read it; chmod 700 it", dir, info.Mode().Perm())})
	}
}

// agent checks whether an agent runs on this state directory, and whether it is healthy.
func (d *doctor) agent(ctx context.Context) {
	var s daemonStatus
	if err := control.Dial(d.a.cfg.Agent.StatusAddr).Get(ctx, "/status.json", &s); err == nil {
		f := finding{Name: "agent", Status: findingOK, Detail: fmt.Sprintf("runs as process %d, up %s", s.PID, time.Since(s.Started).Round(time.Second))}
		if !s.Healthy {
			f.Status, f.Detail = findingWarn, f.Detail+", NOT WELL: "+strings.Join(s.Reasons, "; ")
		}
		d.add(f)
		return
	}
	path := d.a.cfg.Chunk.DatabasePath + ".lock"
	if !exists(path) {
		d.check("agent", nil, "none runs here")
		return
	}
	lock, err := filelock.Acquire(path)
	if err == nil {
		err = lock.Release()
	}
	d.check("agent", err, "none runs here")
}

// reach sends the server a request that changes nothing.
func (a *cli) reach(ctx context.Context) (string, error) {
	if a.cfg.Server.URL == "" && a.Uploader != nil {
		return "none is configured: " + a.Name + " has an uploader of its own", nil
	}
	if a.cfg.Server.URL == "" {
		return "none is configured: the agent keeps an ingest store of its own in " + a.cfg.Ingest.Data, nil
	}
	client, err := a.newClient()
	if err != nil {
		return "", err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if _, err := client.Check(ctx, []string{"doctor"}); err != nil {
		return "", fmt.Errorf("%s: %w", a.cfg.Server.URL, err)
	}
	return a.cfg.Server.URL + " answers and accepts the credentials", nil
}

// verdict prints the totals, and returns the error that the program exits with.
func (d *doctor) verdict() error {
	counts := map[string]int{}
	for _, f := range d.findings {
		counts[f.Status]++
	}
	healthy := counts[findingFail] == 0
	if d.a.json() {
		if err := d.a.printJSON(map[string]any{"healthy": healthy, "findings": d.findings}); err != nil {
			return err
		}
	} else {
		d.a.printf("%d ok, %d warnings, %d failed\n", counts[findingOK], counts[findingWarn], counts[findingFail])
	}
	if !healthy {
		return &ExitError{ExitRuntime, nil}
	}
	return nil
}
