package auditlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// VerifyOptions says what else Verify may know. The zero value is fine: then it proves that the log is what its writer
// wrote, or somebody who computed the whole chain anew.
type VerifyOptions struct {
	// Known are places that were seen before and kept where nobody of the host could change them: what a server was sent,
	// or Report.Head of another day. They prove that nothing up to them was cut off or written anew.
	Known []logfile.Mark

	// Key is what CreateKey returned. With it every line from Key.Seq on must be signed.
	Key *logfile.Key
}

// Verify reads a whole log, every rotated and compressed file of it, and reports whether each line is there and as it
// was written. path is LoggerConfig.LogFile, or a directory with DefaultLogFile's name in it; a leading ~/ is the home
// directory. It may run while the log is written; files that retention deletes under its eyes are Missing where the line
// that explains them came too late for it, and Pruned when it looks again. The error is about reading: a log that is
// not in order is no error but a Verdict.
func Verify(ctx context.Context, path string, opt VerifyOptions) (*Report, error) {
	path, err := logfile.FilePath(path)
	if err != nil {
		return nil, err
	}
	v := &verifier{rep: &Report{Log: path, Checked: time.Now(), Findings: []Finding{}, Files: []FileReport{}}, Linker: logfile.NewLinker(),
		recent: map[uint64]logfile.ChainText{}}
	if opt.Key != nil {
		if v.key, err = logfile.NewSealKey(*opt.Key); err != nil {
			return nil, err
		}
	}
	for _, m := range opt.Known {
		v.know(m, "a place that was known")
	}
	head, ok, err := logfile.ReadHead(path) // before the lines: then it cannot be ahead of them
	if err != nil {
		return nil, err
	}
	if ok && head.Seq > 0 {
		v.know(logfile.Mark{Seq: head.Seq, Chain: head.Chain}, "the head file")
	}
	r, err := logfile.OpenReader(path, logfile.Cursor{})
	if err != nil {
		return nil, err
	}
	err = v.read(ctx, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	v.finish()
	return v.rep, nil
}

// verifier walks the lines and holds each against the chain. What it finds wrong it reports once, and goes on from what
// the line claims, so that one change gives one finding.
type verifier struct {
	*logfile.Linker
	rep *Report
	key *logfile.SealKey // nil: signatures are not checked

	at    logfile.Place     // the last line that was believed
	begun bool              // there was one, or a header
	also  logfile.ChainText // what at's chain value should have been, where its line is altered
	junk  int               // lines since at that are none
	ended bool              // the line before was a trailer
	file  *logfile.Segment

	gaps    []span          // numbers that no line has, with a chain that goes on
	drops   []span          // what audit_dropped lines explain
	absent  []absence       // whole files that are not there
	prunes  map[string]bool // chain values that prune records end with
	recent  map[uint64]logfile.ChainText
	knownBy []knownMark
}

type knownMark struct {
	logfile.Mark
	by   string
	seen bool
}

// absence is what is missing in front of a file, and the chain value that the file goes on from.
type absence struct {
	Finding
	prev string
}

type span struct {
	first, last, events uint64
	at                  Finding
}

func (v *verifier) know(m logfile.Mark, by string) {
	v.knownBy = append(v.knownBy, knownMark{Mark: m, by: by})
}

func (v *verifier) read(ctx context.Context, r *logfile.Reader) error {
	for n := 0; ; n++ {
		if n%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if r.Segment == nil {
				return err
			}
			v.enter(r.Segment)
			v.rep.add(Finding{Kind: KindAltered, File: r.Segment.Name(), Line: r.Number + 1, Offset: r.Offset, Text: "the file cannot be read further: " + err.Error()})
			if err := r.SkipFile(); err != nil {
				if errors.Is(err, io.EOF) {
					break
				}
				return err
			}
			continue
		}
		v.enter(l.File)
		v.line(&l)
	}
	if len(r.Part) > 0 {
		l := r.TakeTorn()
		v.enter(l.File)
		v.count(&l)
		v.rep.add(v.here(KindTorn, &l, 0, 0, "half a line at the end of the log"))
	}
	return nil
}

// enter notes that the lines are of file s now.
func (v *verifier) enter(s *logfile.Segment) {
	if v.file == s {
		return
	}
	v.file = s
	v.rep.Files = append(v.rep.Files, FileReport{Name: s.Name(), FileID: s.Header.FileID, Compressed: s.Compressed})
}

func (v *verifier) count(l *logfile.RawLine) *FileReport {
	f := &v.rep.Files[len(v.rep.Files)-1]
	f.Lines++
	f.Bytes = l.Offset + int64(len(l.Bytes))
	return f
}

// here is a finding about line l.
func (v *verifier) here(k Kind, l *logfile.RawLine, first, last uint64, format string, a ...any) Finding {
	return Finding{Kind: k, File: l.File.Name(), Line: l.Number, Offset: l.Offset, First: first, Last: last, Text: fmt.Sprintf(format, a...)}
}

func (v *verifier) line(l *logfile.RawLine) {
	f := v.count(l)
	ended := v.ended
	v.ended = false
	end, ok := logfile.ParseEnd(l.Bytes)
	switch {
	case l.Torn:
		v.junk++
		v.rep.add(v.here(KindAltered, l, 0, 0, "the file ends within a line"))
	case !ok:
		v.junk++
		v.rep.add(v.here(KindForeign, l, 0, 0, "no line of an audit log"))
	case end.Seq == 0:
		v.unnumbered(l, &end, ended)
	default:
		v.numbered(l, &end)
		if f.FirstSeq == 0 {
			f.FirstSeq = end.Seq
		}
		f.LastSeq = end.Seq
	}
}
