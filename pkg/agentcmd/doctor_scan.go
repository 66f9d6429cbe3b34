package agentcmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/scan"
)

// maxDatabaseAge is the age of a database above which doctor warns about it.
const maxDatabaseAge = 7 * 24 * time.Hour

// trialInfo is one run of a scanner on a small target.
type trialInfo struct {
	Name       string `json:"name"`
	Want       string `json:"want"`
	Verdict    string `json:"verdict"`
	ExitCode   int    `json:"exit_code"` // -1: there was no process, or a signal ended it
	Findings   int    `json:"findings"`
	DurationMS int64  `json:"duration_ms"`
	PeakMemory int64  `json:"peak_memory"` // bytes, of the scanner and all it started; 0: unknown
	Error      string `json:"error,omitempty"`
}

// scanners tries the named scanners, or all that are installed.
func (d *doctor) scanners(ctx context.Context, s *scanner, names []string, timeout time.Duration) {
	infos := d.a.listScanners(ctx, s)
	var missing []string
	tried := 0
	for i := range infos {
		info := &infos[i]
		asked := slices.Contains(names, info.Name)
		switch {
		case len(names) > 0 && !asked:
		case !info.Installed && !asked:
			missing = append(missing, info.Name)
		case ctx.Err() != nil:
			d.add(finding{Name: info.Name, Status: findingFail, Detail: "not tried: interrupted"})
		case info.Defined == inProgram && s.own[info.Name] != nil:
			tried++
			d.add(finding{Name: info.Name, Status: findingOK, Scanner: info, Detail: inProgram})
		default:
			tried++
			d.scanner(ctx, s, info, timeout)
		}
	}
	if len(missing) > 0 && !d.a.json() {
		d.a.printf("      %-16s %s\n", "not installed", strings.Join(missing, ", "))
	}
	if tried == 0 && len(names) == 0 {
		d.add(finding{Name: "scanners", Status: findingWarn, Detail: "none is installed in " + strings.Join(d.a.cfg.Scan.BinDirs, ", ") + " or on PATH"})
	}
}

func (d *doctor) scanner(ctx context.Context, s *scanner, info *scannerInfo, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := s.Check(ctx, info.Name)
	f := finding{Name: info.Name, Status: findingOK, Scanner: info}
	var details []string
	for i := range c.Trials {
		t := newTrialInfo(&c.Trials[i])
		f.Trials = append(f.Trials, t)
		details = append(details, t.text())
	}
	if c.Err != nil {
		details = append(details, c.Err.Error())
	}
	if !c.OK() {
		f.Status = findingFail
	}
	if text := oldDatabase(info); text != "" {
		details = append(details, text)
		if f.Status == findingOK {
			f.Status = findingWarn
		}
	}
	f.Detail = strings.Join(append([]string{cmp.Or(c.Version, "version unknown")}, details...), "; ")
	d.add(f)
}

// oldDatabase returns a problem with the age of the scanner's database, or nothing.
func oldDatabase(info *scannerInfo) string {
	switch {
	case info.Problem != "":
		return "database: " + info.Problem
	case info.Database != nil && time.Since(*info.Database) > maxDatabaseAge:
		return "its database is " + ageText(time.Since(*info.Database)) + " old"
	}
	return ""
}

func newTrialInfo(t *scan.Trial) trialInfo {
	info := trialInfo{Name: t.Name, Want: t.Want, Verdict: t.Verdict, ExitCode: -1, DurationMS: t.Took.Milliseconds()}
	if p := t.Process(); p != nil {
		info.ExitCode, info.PeakMemory = p.ExitCode, p.PeakMemory
	}
	if t.Result != nil {
		info.Findings = t.Result.Summary.Findings
	}
	if t.Err != nil {
		info.Error = t.Err.Error()
	}
	return info
}

// text describes the trial, with the reason if it went wrong.
func (t *trialInfo) text() string {
	text := fmt.Sprintf("%s: %s (exit %d, %s", t.Name, t.Verdict, t.ExitCode, msText(t.DurationMS))
	if t.PeakMemory > 0 {
		text += ", " + bytesText(t.PeakMemory)
	}
	text += ")"
	if t.Verdict != t.Want {
		text += ", WANT " + t.Want
		if t.Error != "" {
			text += ": " + t.Error
		}
	}
	return text
}
