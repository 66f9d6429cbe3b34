package agentcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

func (a *cli) auditVerify() *cobra.Command {
	var known []string
	var keyFile string
	cmd := a.plainVerb("verify [PATH]", "verify that the log is whole, and show where it is not", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		opt, err := verifyOptions(known, keyFile)
		if err != nil {
			return err
		}
		path, err := a.auditPath(args)
		if err != nil {
			return err
		}
		rep, err := auditlog.Verify(ctx, path, opt)
		if err != nil {
			return err
		}
		if len(rep.Files) == 0 && rep.Verdict == auditlog.Intact {
			return fmt.Errorf("there is no audit log %s", bare(rep.Log))
		}
		if err := a.printVerdict(rep, opt); err != nil {
			return err
		}
		if rep.Verdict > auditlog.Torn {
			return &ExitError{ExitNotWhole, nil}
		}
		return nil
	})
	cmd.Long = `Reads every line of the log, rotated and compressed files included, and prints a verdict: intact, torn (a crash or a
power cut left half a line at its end), missing (lines are gone and no line explains it), or tampered (lines were changed,
added, repeated or moved). The exit code is 0 for the first two and 65 for the others.

The chain alone does not detect an attacker who computed all of it again. Keep the head that verify prints on another
host and pass it to the next run with --known; or let the agent sign its lines (audit.key_file) and pass the first key with --key.`
	cmd.Flags().StringArrayVar(&known, "known", nil, "SEQ:CHAIN, a head printed earlier: nothing up to it may differ; may be repeated")
	cmd.Flags().StringVar(&keyFile, "key", "", "file with the first key, as printed by new-key: every line since must be signed")
	cmd.Example = `  {agent} audit verify
  {agent} audit verify -o json | jq -r '.head | "\(.seq):\(.chain)"' > head-of-host-7
  {agent} audit verify --known "$(cat head-of-host-7)" --key first-key.json /var/backups/host-7`
	return cmd
}

func verifyOptions(known []string, keyFile string) (opt auditlog.VerifyOptions, err error) {
	for _, k := range known {
		seq, chain, _ := strings.Cut(strings.TrimSpace(k), ":")
		n, err := strconv.ParseUint(seq, 10, 64)
		if err != nil || n == 0 || len(chain) != 64 || strings.Trim(chain, "0123456789abcdef") != "" {
			return opt, Usagef("--known %q: want SEQ:CHAIN, a number and 64 hex digits", k)
		}
		opt.Known = append(opt.Known, audit.Mark{Seq: n, Chain: chain})
	}
	if keyFile != "" {
		b, err := os.ReadFile(keyFile)
		if err != nil {
			return opt, Usagef("--key: %v", err)
		}
		opt.Key = new(audit.Key)
		if err := json.Unmarshal(b, opt.Key); err != nil {
			return opt, Usagef("--key %s: want the output of new-key", keyFile) // the error itself would quote the key
		}
	}
	return opt, nil
}

// verdictText explains the verdicts.
var verdictText = map[auditlog.Verdict]string{
	auditlog.Intact:   "every line is present and unchanged",
	auditlog.Torn:     "whole except for half a line at the end: a crash, a power cut, or an agent that is writing now",
	auditlog.Missing:  "LINES ARE MISSING, and no line explains it",
	auditlog.Tampered: "LINES HAVE BEEN CHANGED, added, repeated or moved",
}

// maxFindings is the number of findings that are printed; -o json has up to auditlog.MaxFindings.
const maxFindings = 20

func (a *cli) printVerdict(rep *auditlog.Report, opt auditlog.VerifyOptions) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", rep.Verdict, verdictText[rep.Verdict])
	for i, f := range rep.Findings {
		if i == maxFindings {
			fmt.Fprintf(&b, "  … and %d more: -o json lists them\n", len(rep.Findings)-i+rep.More)
			break
		}
		fmt.Fprintf(&b, "  %s\n", bare(f.String()))
	}
	fmt.Fprintf(&b, "%s: %d events, seq %d to %d, files: %d", bare(rep.Log), rep.Events, rep.FirstSeq, rep.Head.Seq, len(rep.Files))
	if opt.Key != nil {
		fmt.Fprintf(&b, "; %d signatures checked", rep.Signed)
	}
	fmt.Fprintf(&b, "\nhead %d:%s\n", rep.Head.Seq, rep.Head.Chain)
	if len(opt.Known) == 0 && opt.Key == nil {
		b.WriteString("not compared with a copy kept elsewhere: see --known and --key\n")
	}
	return a.print(rep, "%s", b.String())
}

func (a *cli) auditNewKey() *cobra.Command {
	cmd := a.plainVerb("new-key FILE", "create a key with which the agent signs its lines", cobra.ExactArgs(1), func(_ context.Context, args []string) error {
		key, err := audit.CreateKey(args[0])
		if err != nil {
			return err
		}
		b, err := json.Marshal(key)
		if err == nil {
			_, err = fmt.Fprintf(a.out, "%s\n", b)
		}
		if err != nil {
			return errors.Join(err, os.Remove(args[0])) // without its first key the file is useless
		}
		a.say("keep the line above on another host: 'audit verify --key' needs it, and anyone who has it can forge the log")
		return nil
	})
	cmd.Long = `Creates FILE for audit.key_file, and prints the first key. The agent hashes the key after each line and forgets the
previous one, so that an attacker who takes over the host later cannot change earlier lines. An existing FILE is an error.`
	cmd.Example = "  {agent} audit new-key {state}/audit.key | ssh vault 'cat > host-7.key'"
	return cmd
}
