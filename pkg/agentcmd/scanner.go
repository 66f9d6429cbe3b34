package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan"
)

// scanner runs the agent's own scanners, and all others as processes. Started with an engine, it runs none while the disk
// of the state directory is nearly full: what a scanner writes could be the last bytes that the store and the audit log
// need.
type scanner struct {
	*scan.Runner
	own       map[string]agent.Scanner
	checkDisk func() error // see engine.checkDisk
	dir       string       // a directory on the disk that checkDisk checks
	sink      event.Sink
}

// Scan implements agent.Scanner. A job that finds the disk nearly full is tried again later: space may be freed.
func (s *scanner) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	if s.checkDisk != nil {
		if err := s.checkDisk(); err != nil {
			s.warn(req, err)
			return nil, &passingError{err}
		}
	}
	if own := s.own[req.Scanner]; own != nil {
		return own.Scan(ctx, req, open)
	}
	return s.Runner.Scan(ctx, req, open)
}

// Cost estimates what a scan will need. An own scanner that cannot tell costs nothing beyond its slot.
func (s *scanner) Cost(name, target string) scan.Cost {
	switch own := s.own[name].(type) {
	case nil:
		return s.Runner.Cost(name, target)
	case agent.Coster:
		return own.Cost(name, target)
	}
	return scan.Cost{}
}

func (s *scanner) warn(req scan.Request, err error) {
	e := event.Event{Type: event.ResourceWarning, Severity: event.Warn, TenantID: req.TenantID, JobID: req.JobID,
		Message: "scan not started: the disk is nearly full", Error: err.Error()}
	if limit, ok := errors.AsType[*limits.LimitError](err); ok {
		e.Details = map[string]any{"resource": "disk", "value": limit.Value, "limit": limit.Bound, "unit": "MiB", "path": s.dir}
	}
	s.sink.Record(e)
}

// passingError is a failure of the moment.
type passingError struct{ error }

func (e *passingError) Unwrap() error   { return e.error }
func (e *passingError) Temporary() bool { return true }

// names returns the names of all scanners, sorted.
func (s *scanner) names() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(s.Table().Names(), maps.Keys(s.own)))))
}

// check returns an error for a name that no scanner has, with the name that was probably meant.
func (s *scanner) check(names []string) error {
	for _, name := range names {
		if known := s.names(); !slices.Contains(known, name) {
			return Usagef("scanner %q is not in the table: %s%s", name, strings.Join(known, ", "), configfile.Hint(name, known))
		}
	}
	return nil
}

// available returns the names of the scanners that can be used here, sorted.
func (s *scanner) available(ctx context.Context) []string {
	names := slices.Collect(maps.Keys(s.own))
	for _, f := range s.Available(ctx) {
		names = append(names, f.Name)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// fits reports whether a scanner has something to do in target.
func (s *scanner) fits(name, target string) bool {
	d, ok := s.Table().Lookup(name)
	return s.own[name] != nil || ok && d.Fits(target)
}

// newScanner makes the scanner that the configuration describes. With an engine, it ends what a killed agent has left
// running, and guards the disk.
func (a *cli) newScanner(e *engine) (*scanner, error) {
	sc, err := a.cfg.scanConfig(a.Definitions)
	if err != nil {
		return nil, &ExitError{ExitConfig, err}
	}
	s := &scanner{own: a.Scanners, dir: a.cfg.Agent.StateDir}
	if e != nil {
		sc.Sink, s.sink, s.checkDisk = e.sink, e.sink, e.checkDisk
	}
	if s.Runner, err = scan.NewRunner(sc); err != nil {
		return nil, &ExitError{ExitConfig, err}
	}
	if e == nil {
		return s, nil
	}
	e.onClose(func() error { s.closeServers(); return nil })
	e.scanner = s
	processes, dirs, err := s.Sweep()
	if processes > 0 || dirs > 0 {
		a.say("a killed agent left %s and %s: removed", count(processes, "scanner process"), count(dirs, "directory"))
	}
	if err != nil {
		e.sink.Record(event.Event{Type: event.AgentError, Severity: event.Error, Message: "leftovers of a killed agent remain", Error: err.Error()})
	}
	return s, nil
}

// serverGrace is the time that the servers of scanners have to end before they are killed.
const serverGrace = 5 * time.Second

// closeServers ends the servers of scanners that were used.
func (s *scanner) closeServers() {
	ctx, cancel := context.WithTimeout(context.Background(), serverGrace)
	defer cancel()
	s.Runner.Close(ctx)
}

// chooseScanners returns the scanners that were asked for, or else all that can be used here.
func (a *cli) chooseScanners(ctx context.Context, s *scanner, scanners []string) (names []string, asked bool, err error) {
	if len(scanners) == 0 {
		scanners = a.cfg.Agent.Scanners
	}
	if err := s.check(scanners); err != nil {
		return nil, false, err
	}
	if len(scanners) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(scanners))), true, nil
	}
	if names = s.available(ctx); len(names) == 0 {
		return nil, false, fmt.Errorf("no scanner is installed: none of %s in %s or on PATH", strings.Join(s.names(), ", "), strings.Join(a.cfg.Scan.BinDirs, ", "))
	}
	return names, false, nil
}
